/* uerl_launch.c: starts one simulator, and ends it with all that it started when its learner goes.
 *
 *   uerl-launch --control-fd N --status-fd M [--user UID --group GID] -- argv...
 *
 *   learner ── control ─▶ uerl-launch ──▶ simulator, in a group of its own ──▶ what it starts
 *           ◀─ status ──
 *
 * argv     the first is a path: PATH was searched before.
 * control  anything readable, a byte as well as the end of the pipe, means: kill everything. The
 *          learner's death is also seen through a pidfd, for a fork of it may hold the pipe.
 * status   one line: "pid 123" once the simulator runs, or "error TEXT".
 * SIGTERM  is passed on to the simulator's process group.
 *
 * Ends as the simulator ended: with its exit code, or by its signal. Only this process waits for
 * the simulator, so only here is a process id sure to be the simulator's still: the learner never
 * signals it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_USAGE = 2, EXIT_NOT_STARTED = 127, KILL_ROUNDS = 100, KILL_ROUND_MS = 50 };

struct options {
    int control_fd;
    int status_fd;
    long user;  /* -1: stay who we are */
    long group; /* likewise */
    char **argv;
};

struct simulator {
    pid_t pid;
    int status; /* as waitpid() gives it, once ended */
    bool ended;
    bool childless; /* neither the simulator nor anything that it started is left */
    bool asked;     /* SIGTERM was passed on: whoever is left may take their time */
};

static bool parse_number(const char *text, long *number)
{
    char *end;
    errno = 0;
    *number = strtol(text, &end, 10);
    /* Up to the largest id: the next, (uid_t)-1, would mean "no change". */
    return errno == 0 && end != text && *end == '\0' && *number >= 0 && *number < UINT32_MAX;
}

static bool parse(int argc, char **argv, struct options *options)
{
    long control = -1, status = -1;
    *options = (struct options){.user = -1, .group = -1};
    const struct {
        const char *name;
        long *value;
    } known[] = {{"--control-fd", &control},
                 {"--status-fd", &status},
                 {"--user", &options->user},
                 {"--group", &options->group}};
    int i = 1;
    for (; i < argc && strcmp(argv[i], "--") != 0; i += 2) {
        size_t k = 0;
        while (k < 4 && strcmp(argv[i], known[k].name) != 0)
            k += 1;
        if (k == 4 || i + 1 >= argc || !parse_number(argv[i + 1], known[k].value))
            return false;
    }
    options->control_fd = (int)control;
    options->status_fd = (int)status;
    options->argv = argv + i + 1;
    return i + 1 < argc && control > 2 && status > 2 && control != status;
}

/* Closes what a learner may have leaked to us, and keeps our own from the simulator. */
static void tidy_fds(const struct options *options)
{
    const int a = options->control_fd, b = options->status_fd;
    const unsigned low = (unsigned)(a < b ? a : b), high = (unsigned)(a < b ? b : a);
    const unsigned gaps[3][2] = {{3, low - 1}, {low + 1, high - 1}, {high + 1, ~0U}};
    for (int i = 0; i < 3; i++) {
        if (gaps[i][0] <= gaps[i][1])
            syscall(SYS_close_range, gaps[i][0], gaps[i][1], 0);
    }
    fcntl(a, F_SETFD, FD_CLOEXEC);
    fcntl(b, F_SETFD, FD_CLOEXEC);
}

static bool change_user(const struct options *options)
{
    const gid_t group = options->group >= 0 ? (gid_t)options->group : getgid();
    const struct passwd *entry = options->user >= 0 ? getpwuid((uid_t)options->user) : NULL;
    const int groups = entry != NULL ? initgroups(entry->pw_name, group) : setgroups(1, &group);
    if (groups != 0 || setresgid(group, group, group) != 0)
        return false;
    const uid_t user = (uid_t)options->user;
    return options->user < 0 || setresuid(user, user, user) == 0;
}

static _Noreturn void give_up(int failure_fd, const char *what, const char *which)
{
    dprintf(failure_fd, "%s %s: %s", what, which, strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

static _Noreturn void become_simulator(const struct options *options, int failure_fd,
                                       pid_t launcher, const sigset_t *signals)
{
    /* A group of its own, to be killed as one; no session of its own: the kernel's autogroups would
     * schedule it apart from its neighbours, and its yields would hand the core to nobody. */
    setpgid(0, 0);
    if ((options->user >= 0 || options->group >= 0) && !change_user(options))
        give_up(failure_fd, "cannot change", "user or group");
    /* After the change of user, which would clear it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != launcher)
        _exit(EXIT_NOT_STARTED);
    sigprocmask(SIG_SETMASK, signals, NULL);
    /* Not execvp(), which would hand a broken executable to the shell. */
    execv(options->argv[0], options->argv);
    give_up(failure_fd, "cannot run", options->argv[0]);
}

/* Returns the pid of the simulator, whose exec() has succeeded; -1 after having told why not. */
static pid_t start(const struct options *options, const sigset_t *signals)
{
    int failure[2];
    char text[512] = "cannot fork";
    const pid_t launcher = getpid();
    const pid_t pid = pipe2(failure, O_CLOEXEC) == 0 ? fork() : -1;
    if (pid == 0)
        become_simulator(options, failure[1], launcher, signals);
    if (pid >= 0)
        close(failure[1]);
    /* The pipe ends without a word at a successful exec(). */
    const ssize_t told = pid < 0 ? (ssize_t)strlen(text) : read(failure[0], text, sizeof text - 1);
    if (told <= 0) {
        dprintf(options->status_fd, "pid %d\n", pid);
    } else {
        text[told] = '\0';
        dprintf(options->status_fd, "error %s\n", text);
    }
    close(options->status_fd);
    return told <= 0 ? pid : -1;
}

/* Waits for every child that has ended. Orphans of the simulator are children of ours, too. */
static void reap(struct simulator *simulator)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == simulator->pid) {
            simulator->status = status;
            simulator->ended = true;
        }
    }
    simulator->childless = pid < 0 && errno == ECHILD;
}

/* Returns when the simulator has ended, or when the learner wants it dead or is dead itself. */
static void supervise(struct simulator *simulator, int control_fd, int learner, int signals)
{
    struct pollfd watched[] = {{.fd = signals, .events = POLLIN},
                               {.fd = control_fd, .events = POLLIN},
                               {.fd = learner, .events = POLLIN}};
    struct signalfd_siginfo info;
    while (!simulator->ended || (simulator->asked && !simulator->childless)) {
        if (poll(watched, 3, -1) < 0 && errno != EINTR)
            return;
        if (watched[1].revents != 0 || watched[2].revents != 0)
            return;
        while (read(signals, &info, sizeof info) == (ssize_t)sizeof info) {
            if (info.ssi_signo == SIGTERM) {
                simulator->asked = true;
                kill(-simulator->pid, SIGTERM);
            }
        }
        reap(simulator);
    }
}

/* Kills the simulator's process group, and then whatever left the group: as their parents die, they
 * become children of ours. */
static void kill_all(struct simulator *simulator, int signals)
{
    struct pollfd watched = {.fd = signals, .events = POLLIN};
    struct signalfd_siginfo info;
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
    if (!simulator->childless)
        kill(-simulator->pid, SIGKILL);
    for (int round = 0; round < KILL_ROUNDS && !simulator->childless; round++) {
        FILE *children = fopen(path, "re");
        for (int pid; children != NULL && fscanf(children, "%d", &pid) == 1;)
            kill(pid, SIGKILL);
        if (children != NULL)
            fclose(children);
        poll(&watched, 1, KILL_ROUND_MS);
        while (read(signals, &info, sizeof info) > 0)
            continue;
        reap(simulator);
    }
}

static int end_as(const struct simulator *simulator, const sigset_t *signals)
{
    if (!simulator->ended)
        return EXIT_NOT_STARTED;
    if (WIFEXITED(simulator->status))
        return WEXITSTATUS(simulator->status);
    prctl(PR_SET_DUMPABLE, 0); /* the simulator has dumped its core; ours is of no use */
    signal(WTERMSIG(simulator->status), SIG_DFL);
    sigprocmask(SIG_SETMASK, signals, NULL);
    raise(WTERMSIG(simulator->status));
    return 128 + WTERMSIG(simulator->status);
}

int main(int argc, char **argv)
{
    struct options options;
    if (!parse(argc, argv, &options)) {
        fputs("usage: uerl-launch --control-fd N --status-fd M [--user UID --group GID] "
              "-- argv...\n",
              stderr);
        return EXIT_USAGE;
    }
    tidy_fds(&options);
    const int learner = (int)syscall(SYS_pidfd_open, getppid(), 0);
    setpgid(0, 0); /* Ctrl-C at the terminal is the learner's business */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    sigset_t ours, before;
    sigemptyset(&ours);
    const int blocked[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    for (int i = 0; i < 5; i++)
        sigaddset(&ours, blocked[i]);
    sigprocmask(SIG_BLOCK, &ours, &before);
    const int signals = signalfd(-1, &ours, SFD_CLOEXEC | SFD_NONBLOCK);

    struct simulator simulator = {.pid = start(&options, &before)};
    if (simulator.pid < 0)
        return EXIT_NOT_STARTED;
    signal(SIGPIPE, SIG_IGN);
    supervise(&simulator, options.control_fd, learner, signals);
    kill_all(&simulator, signals);
    return end_as(&simulator, &before);
}
