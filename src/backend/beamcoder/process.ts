/**
 * The process that decodes with beamcoder for one {@link RemoteDecoder} (Note [A process for beamcoder]). Its argument is beamcoder's addon; file
 * descriptor 3 is the socket to the caller, 2 the file that FFmpeg's log goes to.
 */
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { MessageReader, sendMessage } from '../../wire.ts';
import { ProcessDecoder, toNative } from './decoder.ts';
import { Failure } from './failure.ts';
import { Gate } from './gate.ts';
import { Interrupt } from './interrupt.ts';
import { FfmpegLog } from './log.ts';
import type { Beamcoder } from './package.ts';
import { PacketIndex } from './packet-index.ts';
import type { CallName, Calls, Request, Response } from './protocol.ts';

const socket = new Socket({ fd: 3 });
const interrupt = new Interrupt();

function send(response: Response, parts?: readonly Uint8Array[]): void {
  sendMessage(socket, response, parts);
}

function load(file: string): ProcessDecoder | undefined {
  try {
    const beamcoder = createRequire(file)(file) as Beamcoder;
    beamcoder.logging('error');
    const gate = new Gate(() => process.exit(1));
    const decoder = new ProcessDecoder({
      ...{ beamcoder, gate, interrupt },
      log: new FfmpegLog(),
    });
    send({ loaded: null });
    return decoder;
  } catch (error) {
    send({ loaded: (error as Error).message });
    return undefined;
  }
}

const decoder = load(process.argv[2] as string);

/** What a call answers, and the bytes that follow. */
type Answer = { gives: unknown; parts?: readonly Uint8Array[] };

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

type Handlers = {
  [Name in CallName]: (
    decoder: ProcessDecoder,
    takes: Calls[Name]['takes'],
    parts: readonly Uint8Array[],
  ) => Promise<Answer>;
};

const HANDLERS: Handlers = {
  open: async (decoder, request) => ({ gives: await decoder.open(request) }),
  start: async (decoder, { selection, output }) => {
    await decoder.start(selection, output);
    return { gives: null };
  },
  startAt: async (decoder, { frames, output }) => {
    await decoder.startAt(frames, output);
    return { gives: null };
  },
  index: async (decoder) => {
    const index = await decoder.index();
    const gives = { frames: index.entries.length, fromPackets: index.fromPackets };
    return { gives, parts: [bytesOf(index.toRows())] };
  },
  setIndex: async (decoder, { fromPackets }, [rows = new Uint8Array()]) => {
    const columns = new Float64Array(rows.slice().buffer);
    decoder.setIndex(PacketIndex.fromRows(columns, fromPackets));
    return { gives: null };
  },
  read: async (decoder, { capacities }) => {
    const { read, rows, pictures } = await decoder.read(capacities);
    return { gives: read, parts: [bytesOf(rows), ...pictures] };
  },
  measure: async (decoder, { capacity }) => {
    const { read, rows } = await decoder.measure(capacity);
    return { gives: read, parts: [bytesOf(rows)] };
  },
};

/** Calls are served in order. */
let last: Promise<void> = Promise.resolve();

async function serve(
  request: Extract<Request, { id: number }>,
  parts: readonly Uint8Array[],
): Promise<void> {
  if (decoder === undefined) return;
  const { call, id, pass, takes } = request;
  try {
    interrupt.enter(pass);
    interrupt.check();
    const handler = HANDLERS[call] as Handlers[CallName];
    const answer = await handler(decoder, takes as never, parts);
    send({ id, gives: answer.gives }, answer.parts);
  } catch (error) {
    const failure =
      error instanceof Failure
        ? error
        : new Failure('ERR_FFMPEG', `beamcoder: ${(error as Error).message}`);
    send({ id, failure: toNative(failure) });
  }
}

const reader = new MessageReader<Request>({
  allocate: (_, lengths) => lengths.map((length) => new Uint8Array(length)),
  receive: (request, parts) => {
    if ('cancel' in request) {
      interrupt.cancel(request.cancel);
      return;
    }
    last = last.then(() => serve(request, parts));
  },
});
socket.on('data', (chunk: Buffer) => reader.push(chunk));
// The caller has closed, or is gone.
socket.on('error', () => process.exit());
socket.on('close', () => process.exit());
socket.on('end', () => process.exit());
