/* The client of flushmeter: opens all streams, reads the clock after each read, and prints the figures. */
#include "meter.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

/* carry: the beginning of a stamp, kept for the next read. tail: the latest octets, to find the last-chunk. */
struct reader { int fd, carried, has_begun; char carry[2 * STAMP], tail[8]; };

enum { DEADLINE_S = 55 };
static char buffer[1 << 20];
static struct reader *all;
static int poll_fd, open_streams, begun, cut, is_finished;
static struct samples latency, planned;
static long long octets, reads;
static uint64_t started_at, sample_from, sampled_ns;
static double cpu_before, cpu_after;
static long resident_kb;

/* CPU seconds of a process, all threads, with a resolution of 1 ns. */
static double cpu_seconds(int pid) {
    char path[400];
    double total = 0;
    snprintf(path, sizeof path, "/proc/%d/task", pid);
    DIR *tasks = opendir(path);
    if (!tasks) return 0;
    for (struct dirent *task; (task = readdir(tasks));) {
        unsigned long long ns = 0;
        if (task->d_name[0] == '.') continue; /* skip task/../schedstat, the main thread's */
        snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", pid, task->d_name);
        FILE *file = fopen(path, "r");
        if (!file) continue;
        if (fscanf(file, "%llu", &ns) == 1) total += ns / 1e9;
        fclose(file);
    }
    closedir(tasks);
    return total;
}
static long resident_kb_of(int pid) {
    char line[256];
    long kb = 0;
    snprintf(line, sizeof line, "/proc/%d/status", pid);
    FILE *file = fopen(line, "r");
    if (!file) return 0;
    while (fgets(line, sizeof line, file) && sscanf(line, "VmRSS: %ld", &kb) != 1) {}
    fclose(file);
    return kb;
}
static int open_all(void) {
    char request[512];
    int length = snprintf(request, sizeof request,
                          "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\n\r\n", options.path);
    struct sockaddr_in there = loopback(options.target_port);
    all = calloc(options.streams, sizeof *all);
    poll_fd = epoll_create1(0);
    for (int i = 0; i < options.streams; i++) {
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (void *)&there, sizeof there)) { perror("connect"); return 0; }
        prepare_socket(all[i].fd);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, all[i].fd, &e);
        if (write(all[i].fd, request, length) < 0) perror("request");
    }
    return 1;
}
static void end_stream(struct reader *r) {
    open_streams--;
    epoll_ctl(poll_fd, EPOLL_CTL_DEL, r->fd, NULL);
    close(r->fd);
}
/* Read a letter and 19 digits at p; 0 when they are not there. */
static uint64_t stamp_at(const char *p, char letter) {
    uint64_t ns = 0;
    if (*p != letter) return 0;
    for (int i = 1; i < STAMP; i++) {
        if (p[i] < '0' || p[i] > '9') return 0;
        ns = ns * 10 + (p[i] - '0');
    }
    return ns;
}
static void take_sample(struct reader *r, uint64_t arrived, uint64_t sent, uint64_t due) {
    if (!r->has_begun) {
        r->has_begun = 1;
        if (++begun == options.streams) sample_from = arrived + (uint64_t)options.warmup_ms * 1000000u;
    }
    if (arrived < sample_from || is_finished) return;
    if (!is_sampling) {
        is_sampling = 1;
        if (options.pid) cpu_before = cpu_seconds(options.pid);
    }
    add_sample(&latency, (arrived - sent) / 1000.0);
    if (due) add_sample(&planned, ((double)arrived - (double)due) / 1000.0);
}
/* Find the stamps in the octets read; keep the possible beginning of one. Returns the number of stamps. */
static int take_stamps(struct reader *r, char *end, uint64_t arrived) {
    int seen = 0;
    for (char *p = buffer; p < end;) {
        char *t = memchr(p, 'T', end - p);
        if (!t) break;
        int there = end - t;
        int needed = there > STAMP && t[STAMP] == 'P' ? 2 * STAMP : STAMP + 1;
        if (there < needed) {
            r->carried = there;
            memcpy(r->carry, t, there);
            break;
        }
        uint64_t sent = stamp_at(t, 'T');
        if (!sent) { p = t + 1; continue; }
        take_sample(r, arrived, sent, needed > STAMP + 1 ? stamp_at(t + STAMP, 'P') : 0);
        seen++;
        p = t + STAMP;
    }
    return seen;
}
/* The first stream to end closes the sampled window. */
static void close_window(uint64_t arrived) {
    is_finished = 1;
    is_sampling = 0;
    uint64_t from = options.bulk ? started_at : sample_from;
    sampled_ns = arrived > from ? arrived - from : 0;
    if (!options.pid) return;
    cpu_after = cpu_seconds(options.pid);
    resident_kb = resident_kb_of(options.pid);
}
static void note_tail(struct reader *r, const char *end, ssize_t got) {
    char joined[16];
    int newest = got < 5 ? (int)got : 5;
    memcpy(joined, r->tail, 5);
    memcpy(joined + 5, end - newest, newest);
    memcpy(r->tail, joined + newest, 5);
}
static void on_readable(struct reader *r) {
    int kept = r->carried;
    memcpy(buffer, r->carry, kept);
    ssize_t got = read(r->fd, buffer + kept, sizeof buffer - kept);
    uint64_t arrived = now_ns(), one = 1;
    if (got < 0 && errno == EAGAIN) return;
    r->carried = 0;
    if (got <= 0) { cut++; end_stream(r); return; }
    reads++;
    octets += got;
    char *end = buffer + kept + got;
    note_tail(r, end, got);
    int seen = options.bulk ? 0 : take_stamps(r, end, arrived);
    if (options.pingpong && seen && write(next_fd, &one, 8) < 0) perror("next");
    if (memcmp(r->tail, LAST_CHUNK, 5)) return;
    if (!is_finished) close_window(arrived);
    end_stream(r);
}
static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}
/* Percentiles by name, and the curve: [fraction, microseconds] at equal steps on a logarithmic axis.
 * A percentile with fewer than ten samples beyond it is null, and no point of the curve. */
static void print_percentiles(const char *prefix, struct samples *s) {
    static const struct { const char *name; double q; } row[] = {{"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}};
    qsort(s->us, s->count, sizeof *s->us, ascending);
    for (int i = 0; i < 4; i++) {
        if (s->count * (1 - row[i].q) < 10) printf("\"%s%s\": null, ", prefix, row[i].name);
        else printf("\"%s%s\": %.1f, ", prefix, row[i].name, s->us[(size_t)((s->count - 1) * row[i].q)]);
    }
    if (s->count) printf("\"%smax\": %.1f, ", prefix, s->us[s->count - 1]);
    printf("\"%scurve\": [", prefix);
    const char *comma = "";
    for (double beyond = 1; s->count * beyond >= 10; beyond *= 0.7943282347) { /* ten points to 90 %, ten to 99 %, and so on */
        printf("%s[%.6f, %.1f]", comma, 1 - beyond, s->us[(size_t)((s->count - 1) * (1 - beyond))]);
        comma = ", ";
    }
    printf("], ");
}
static void print_result(void) {
    double wall = (now_ns() - started_at) / 1e9, cpu = options.pid ? cpu_after - cpu_before : 0;
    printf("{\"mode\": \"%s\", \"streams\": %d, \"size\": %d, \"begun\": %d, \"cut\": %d, \"unfinished\": %d, \"wall_s\": %.3f, "
           "\"relay_cpu_s\": %.3f, \"relay_rss_kb\": %ld, ",
           options.mode, options.streams, options.size, begun, cut, open_streams, wall, cpu, resident_kb);
    if (options.bulk) {
        double frames = octets / (double)(options.size + 4 + snprintf(NULL, 0, "%x", options.size));
        printf("\"octets\": %lld, \"mb_per_s\": %.1f, \"frames_per_s\": %.0f, \"cpu_s_per_gb\": %.4f}\n", octets,
               octets / wall / 1e6, frames / wall, cpu / (octets / 1e9));
        return;
    }
    printf("\"samples\": %zu, \"window_s\": %.3f, ", latency.count, sampled_ns / 1e9);
    print_percentiles("", &latency);
    print_percentiles("planned_", &planned);
    print_percentiles("origin_late_", &lateness);
    printf("\"reads_per_frame\": %.3f, \"cpu_us_per_frame\": %.2f}\n",
           latency.count ? reads / ((double)options.streams * options.count) : 0,
           latency.count ? cpu * 1e6 / latency.count : 0);
}
int run_client(void) {
    size_t capacity = options.bulk ? 0 : (size_t)options.streams * options.count + 16;
    latency = room_for(capacity);
    planned = room_for(options.pingpong ? 0 : capacity);
    open_streams = options.streams;
    started_at = now_ns();
    sample_from = options.bulk ? started_at : ~0ull;
    if (options.bulk && options.pid) cpu_before = cpu_seconds(options.pid);
    if (!open_all()) return 1;
    while (open_streams && now_ns() < started_at + DEADLINE_S * 1000000000ull) {
        struct epoll_event ready[256];
        int n = epoll_wait(poll_fd, ready, 256, 1000);
        for (int i = 0; i < n; i++) on_readable(ready[i].data.ptr);
    }
    print_result();
    return open_streams || cut ? 1 : 0;
}
