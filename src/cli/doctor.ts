import { type Diagnosis, diagnose, type HardwareReport } from '../index.ts';
import { COMMON_OPTIONS, parseCommand } from './arguments.ts';
import { type Command, EXIT, UsageError } from './command.ts';
import { count, printable, quantity, table } from './format.ts';
import { writeJson } from './output.ts';

const HELP = `Usage: rushes doctor [options]

Looks at all that decides whether and how fast videos are read on this machine: the addon and
its FFmpeg, hardware devices and encoders (each is tried with a real frame), limits of the
process, memory and the cache. Says what is wrong and what mends it.

Options:
      --refresh     try devices and encoders again (default: once for these drivers and FFmpeg)
      --ffmpeg TOOL the ffmpeg tool whose encoders are tried (default: ffmpeg)
      --json        the same as JSON
  -h, --help        this help

Exit codes: 0 everything needed works, 1 something needed is broken, 2 wrong usage.
`;

const OPTIONS = {
  ...COMMON_OPTIONS,
  refresh: { type: 'boolean' },
  ffmpeg: { type: 'string' },
} as const;

export const doctorCommand: Command = {
  name: 'doctor',
  summary: 'see whether everything works on this machine, and how well',
  help: HELP,
  async run(args, { output }) {
    const { values, files } = parseCommand(args, OPTIONS, null);
    if (files.length > 0) throw new UsageError(`'${files[0]}' is too much`);
    const { refresh, ffmpeg, json } = values;
    if (ffmpeg === '') throw new UsageError("--ffmpeg wants a program, got ''");
    const diagnosis = await diagnose({ refresh, ffmpeg });
    if (json) await writeJson(output, diagnosis);
    else await output.write(describe(diagnosis));
    return diagnosis.works ? EXIT.ok : EXIT.failed;
  },
};

function describe(diagnosis: Diagnosis): string {
  const { hardware } = diagnosis;
  const sections: [string, readonly (readonly string[])[]][] = [
    ['rushes', packageRows(diagnosis)],
    ['machine', machineRows(diagnosis)],
    ['devices that decode', hardware === null ? [] : deviceRows(hardware)],
    ['encoders of the ffmpeg tool', hardware === null ? [] : encoderRows(hardware)],
    [
      'problems',
      diagnosis.problems.map(({ severity, what, mend }) => [
        severity,
        `${what.replace(/\.$/, '')}; to mend it: ${mend}`,
      ]),
    ],
    ['recommendations', diagnosis.recommendations.map((advice) => [advice])],
  ];
  const text = sections
    .filter(([, rows]) => rows.length > 0)
    .map(([title, rows]) => {
      const safe = rows.map((row) => row.map(printable));
      return `${title}\n${table(safe, { indent: '  ' })}`;
    });
  const verdict = diagnosis.works
    ? 'Everything needed works.'
    : 'Something needed is broken.';
  return `${text.join('\n')}\n${verdict}\n`;
}

function packageRows({ backend, addon, ffmpeg, node, cache }: Diagnosis): string[][] {
  const rows = [
    ['backend', backend ?? 'none loads'],
    ['addon', addon.file === null ? 'none loads' : `${addon.origin}: ${addon.file}`],
    ['Node', node],
  ];
  if (ffmpeg !== null) {
    const libraries = Object.entries(ffmpeg.libraries).map((each) => each.join(' '));
    rows.push(['FFmpeg', `${ffmpeg.version} (${libraries.join(', ')})`]);
    rows.push(['licence', ffmpeg.license]);
    rows.push(['configuration', ffmpeg.configuration || 'none']);
  }
  const { directory, entries, bytes, maxBytes, persistent } = cache;
  const holds = `${count(entries, 'record')}, ${quantity(bytes, 'B')} of ${quantity(maxBytes, 'B')}`;
  rows.push(['cache', `${directory}: ${persistent ? holds : 'cannot be used'}`]);
  return rows;
}

function machineRows({ hardware, limits, memory }: Diagnosis): string[][] {
  const rows: string[][] = [];
  if (hardware !== null) {
    const { cpu, arch, platform, cores, memory: bytes } = hardware.machine;
    const kinds =
      cores.performance === null
        ? ''
        : ` (${cores.performance} performance, ${cores.efficiency} efficiency)`;
    rows.push(['processor', `${cpu}, ${platform} ${arch}`]);
    rows.push([
      'cores',
      `${cores.logical}${kinds}, ${limits.processors} for this process`,
    ]);
    rows.push(['memory', quantity(bytes, 'B')]);
  }
  const container = limits.containerMemory;
  rows.push(
    ['memory pressure', `${memory.level}, ${Math.round(memory.pressure * 100)} %`],
    ['container limit', container === null ? 'none' : quantity(container, 'B')],
    [
      'open files',
      limits.openFiles === null ? 'no limit known' : `at most ${limits.openFiles}`,
    ],
    ['libuv threads', String(limits.uvThreads)],
  );
  return rows;
}

function deviceRows({ devices }: HardwareReport): string[][] {
  return devices.map(({ type, reason, decodes }) => {
    if (reason !== null) return [type, 'no', reason];
    const works = decodes.filter((each) => each.works).map(({ codec }) => codec);
    const not = decodes.flatMap((each) =>
      each.works ? [] : [`${each.codec}: ${each.reason}`],
    );
    return [type, works.length > 0 ? works.join(', ') : 'opens only', not.join('; ')];
  });
}

function encoderRows({
  encoders,
  softwareEncoders,
  ffmpegTool,
}: HardwareReport): string[][] {
  if (ffmpegTool === null) return [];
  return [
    ...encoders.map(({ name, works, reason }) => [
      name,
      works ? 'works' : 'no',
      reason ?? '',
    ]),
    ...softwareEncoders.map((name) => [name, 'software', '']),
  ];
}
