/* flushmeter: an origin and a client in one process, on one clock, around the relay under test.
 *
 *   client --(GET)--> relay --> origin           origin --(chunks)--> relay --> client
 *
 * Each chunk has "T" + 19 digits: CLOCK_REALTIME nanoseconds, taken just before the origin's write. The client reads
 * the clock just after its read returns; the difference is the latency. A paced chunk also has "P" + 19 digits, its
 * planned moment. The difference to that is reported, too: it includes all delays, also the sender's own.
 * With the origin's own port as target there is no relay: the lower bound.
 *
 * Modes
 *   paced     every stream sends one chunk each --interval microseconds (phases spread at random)
 *   pingpong  one stream; a chunk is sent after the previous one has arrived
 *   bulk      the origin writes chunks of --size bytes as fast as the relay reads them;
 *             --mix N varies the sizes over N values around it,
 *             --ext N gives each chunk an extension, `;t=` and a random number of N digits
 *   /silent   another client's stream with this path gets one chunk and no more
 *   --external  no origin here: the target sends such chunks itself (to measure a server)
 *
 * No sample counts before every stream has had its first chunk and --warmup milliseconds more have passed, so the
 * storm of connects is left out. origin_late is the actual write minus the planned moment: where it is large the
 * machine, not the relay, was late. CPU is the relay's own time (of --pid, from schedstat) over the sampled window.
 * Prints one JSON object; times are microseconds; a percentile with fewer than ten samples beyond it is null.
 */
#include "meter.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct options options = {.origin_port = 9100, .target_port = 9100, .streams = 1, .count = 1000, .interval_us = 1000,
                          .size = 64, .mix = 1, .cpu = -1, .warmup_ms = 500, .mode = "paced", .path = "/"};
struct samples lateness;
volatile int is_sampling;
int next_fd;

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}
void pin_to_core(void) {
    if (options.cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(options.cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}
void prepare_socket(int fd) {
    int one = 1;
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}
struct sockaddr_in loopback(int port) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, "127.0.0.1", &a.sin_addr);
    return a;
}
struct samples room_for(size_t capacity) {
    return (struct samples){.us = malloc((capacity + 1) * sizeof(double)), .capacity = capacity};
}
void add_sample(struct samples *samples, double us) {
    if (samples->count < samples->capacity) samples->us[samples->count++] = us;
}

/* Set one option; 0 when it is unknown or its value is missing. */
static int set_option(const char *name, const char *value) {
    static const struct { const char *name; int *number; } numbers[] = {
        {"--origin", &options.origin_port}, {"--target", &options.target_port}, {"--streams", &options.streams},
        {"--count", &options.count},        {"--interval", &options.interval_us}, {"--size", &options.size},
        {"--cpu", &options.cpu},            {"--pid", &options.pid},            {"--mix", &options.mix},
        {"--warmup", &options.warmup_ms},   {"--ext", &options.ext},
    };
    if (!value) return 0;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!strcmp(name, numbers[i].name)) { *numbers[i].number = atoi(value); return 1; }
    if (!strcmp(name, "--mode")) { options.mode = value; return 1; }
    if (!strcmp(name, "--path")) { options.path = value; return 1; }
    return 0;
}
static int take_options(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--external")) { options.external = 1; continue; }
        if (set_option(argv[i], i + 1 < argc ? argv[i + 1] : NULL)) { i++; continue; }
        fprintf(stderr, "flushmeter: unknown option, or no value: %s\n", argv[i]);
        return 0;
    }
    options.paced = !strcmp(options.mode, "paced");
    options.pingpong = !strcmp(options.mode, "pingpong");
    options.bulk = !strcmp(options.mode, "bulk");
    int is_mode = options.paced || options.pingpong || options.bulk;
    if (is_mode && (options.bulk || options.size > STAMP + 1)) return 1;
    fprintf(stderr, "flushmeter: bad mode, or size under 22\n");
    return 0;
}
int main(int argc, char **argv) {
    if (!take_options(argc, argv)) return 2;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files = {200000, 200000};
    setrlimit(RLIMIT_NOFILE, &files);
    next_fd = eventfd(0, EFD_NONBLOCK);
    pin_to_core();
    lateness = room_for(options.paced && !options.external ? (size_t)options.streams * options.count + 16 : 0);
    if (!options.external) {
        pthread_t thread;
        pthread_create(&thread, NULL, run_origin, NULL);
        usleep(100000);
    }
    return run_client();
}
