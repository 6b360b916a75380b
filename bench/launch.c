// launch COMMAND [ARGUMENT…]: runs a command and prints what it took, with all
// of its children, to descriptor 3:
//
//   {"cpu":1.25,"wall":0.7,"rss":104857600,"status":0}
//
// CPU is user and system time in seconds, from wait4(2): of the command and of
// everything it waited for. rss, in bytes, is the peak of the sum over the
// process tree, looked at in /proc every 10 ms, and never less than the peak of
// the largest single process, which the kernel keeps exactly. Memory that
// processes share counts in each of them.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static double seconds(struct timeval time) {
  return time.tv_sec + time.tv_usec / 1e6;
}

/// Resident bytes of a process and of all below it; 0 where there is no /proc.
static long long treeBytes(long pid) {
  char path[128];
  long long bytes = 0;
  snprintf(path, sizeof path, "/proc/%ld/statm", pid);
  FILE* file = fopen(path, "r");
  if (!file) return 0;
  long long pages = 0;
  if (fscanf(file, "%*s %lld", &pages) == 1) {
    bytes = pages * sysconf(_SC_PAGESIZE);
  }
  fclose(file);

  snprintf(path, sizeof path, "/proc/%ld/task", pid);
  DIR* tasks = opendir(path);
  if (!tasks) return bytes;
  for (struct dirent* task; (task = readdir(tasks));) {
    if (task->d_name[0] == '.') continue;
    snprintf(
        path, sizeof path, "/proc/%ld/task/%.20s/children", pid, task->d_name);
    file = fopen(path, "r");
    if (!file) continue;
    for (long child; fscanf(file, "%ld", &child) == 1;) {
      bytes += treeBytes(child);
    }
    fclose(file);
  }
  closedir(tasks);
  return bytes;
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const double began = now();
  const pid_t pid = fork();
  if (pid < 0) return 1;
  if (pid == 0) {
    close(3);
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    _exit(127);
  }

  long long peak = 0;
  int status = 0;
  struct rusage usage;
  const struct timespec pause = {0, 10 * 1000 * 1000};
  while (wait4(pid, &status, WNOHANG, &usage) == 0) {
    const long long bytes = treeBytes(pid);
    if (bytes > peak) peak = bytes;
    nanosleep(&pause, NULL);
  }
  const double wall = now() - began;
#ifdef __APPLE__
  const long long largest = usage.ru_maxrss;
#else
  const long long largest = usage.ru_maxrss * 1024LL;
#endif
  const int code =
      WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  dprintf(
      3, "{\"cpu\":%.6f,\"wall\":%.6f,\"rss\":%lld,\"status\":%d}\n",
      seconds(usage.ru_utime) + seconds(usage.ru_stime), wall,
      largest > peak ? largest : peak, code);
  return code;
}
