/* The origin of flushmeter: one thread, one epoll loop, chunks written by hand. */
#include "meter.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* is_silent: requested /silent: it gets one chunk and no more. */
struct stream {
    int fd, is_started, is_silent, sent, request_len;
    uint64_t due;
    size_t bulk_offset;
    char request[8192];
};

static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                           "X-Accel-Buffering: no\r\nTransfer-Encoding: chunked\r\n\r\n";
enum { BLOCK = 1 << 18 }; /* octets of whole chunks that bulk writes repeatedly */

static int poll_fd, listener, used, capacity, block_frames;
static struct stream **all, *rally, go_marker;
static char *frame, *block;
static size_t block_len;

/* Write one chunk into out: "T" and the moment of the write; if there is one and room, "P" and the planned moment. */
static int stamp_frame(char *out, uint64_t due) {
    char digits[40];
    int n = sprintf(out, "%x\r\n", options.size);
    memset(out + n, 'x', options.size);
    if (due && options.size > 2 * STAMP) {
        snprintf(digits, sizeof digits, "P%019llu", (unsigned long long)due);
        memcpy(out + n + STAMP, digits, STAMP);
    }
    out[n + options.size - 1] = '\n';
    memcpy(out + n + options.size, "\r\n", 2);
    snprintf(digits, sizeof digits, "T%019llu", (unsigned long long)now_ns());
    memcpy(out + n, digits, STAMP);
    return n + options.size + 2;
}
static void send_one(struct stream *s, uint64_t due) {
    int n = stamp_frame(frame, due);
    if (write(s->fd, frame, n) != n) fprintf(stderr, "short write\n");
    s->sent++;
}
static void finish(struct stream *s) {
    if (write(s->fd, LAST_CHUNK, 5) != 5) perror("last-chunk");
    s->is_started = 0;
    s->request_len = 0;
}
static void drop(struct stream *s) {
    for (int i = 0; i < used; i++)
        if (all[i] == s) all[i] = NULL;
    if (rally == s) rally = NULL;
    close(s->fd);
    free(s);
}
static void make_block(void) {
    int most = options.size + options.mix + options.ext + 24; /* octets of a chunk */
    block = malloc((size_t)most + BLOCK);
    srand(1);
    do {
        int size = options.mix > 1 ? options.size - options.mix / 2 + rand() % options.mix : options.size;
        block_len += sprintf(block + block_len, "%x", size);
        if (options.ext) block_len += sprintf(block + block_len, ";t=");
        for (int i = 0; i < options.ext; i++) block[block_len++] = '0' + rand() % 10;
        block_len += sprintf(block + block_len, "\r\n");
        memset(block + block_len, 'x', size);
        memcpy(block + block_len + size, "\r\n", 2);
        block_len += size + 2;
        block_frames++;
    } while (block_len + most <= BLOCK);
}
static void watch(int operation, int fd, uint32_t events, void *mark) {
    struct epoll_event e = {.events = events, .data.ptr = mark};
    epoll_ctl(poll_fd, operation, fd, &e);
}
static void accept_all(void) {
    int fd;
    while ((fd = accept(listener, NULL, NULL)) >= 0) {
        int slot = 0;
        while (slot < used && all[slot]) slot++;
        if (slot == capacity) { close(fd); continue; }
        if (slot == used) used++;
        prepare_socket(fd);
        all[slot] = calloc(1, sizeof **all);
        all[slot]->fd = fd;
        watch(EPOLL_CTL_ADD, fd, EPOLLIN, all[slot]);
    }
}
static void start(struct stream *s) {
    if (write(s->fd, HEAD, sizeof HEAD - 1) < 0) perror("head");
    if ((s->is_silent = !strncmp(s->request, "GET /silent", 11))) { send_one(s, 0); return; }
    s->is_started = 1;
    s->sent = s->request_len = 0;
    s->bulk_offset = 0;
    s->due = now_ns() + 1000000u + (uint64_t)(rand() % (options.interval_us + 1)) * 1000u;
    if (options.pingpong) { rally = s; send_one(s, 0); }
    if (options.bulk) watch(EPOLL_CTL_MOD, s->fd, EPOLLIN | EPOLLOUT, s);
}
/* Read a client's octets; 0 when it has gone and its stream has ended. */
static int take_request(struct stream *s) {
    int got = read(s->fd, s->request + s->request_len, sizeof s->request - 1 - s->request_len);
    if (got < 0 && errno == EAGAIN) return 1;
    if (got <= 0) { drop(s); return 0; }
    s->request_len += got;
    s->request[s->request_len] = 0;
    if (!s->is_started && !s->is_silent && strstr(s->request, "\r\n\r\n")) start(s);
    return 1;
}
static void write_bulk(struct stream *s) {
    while (s->sent < options.count) {
        ssize_t k = write(s->fd, block + s->bulk_offset, block_len - s->bulk_offset);
        if (k < 0) return;
        s->bulk_offset += k;
        if (s->bulk_offset == block_len) { s->bulk_offset = 0; s->sent += block_frames; }
    }
    finish(s);
    watch(EPOLL_CTL_MOD, s->fd, EPOLLIN, s);
}
static void send_next_of_rally(void) {
    uint64_t arrivals;
    if (read(next_fd, &arrivals, 8) != 8 || !rally) return;
    if (rally->sent < options.count) { send_one(rally, 0); return; }
    finish(rally);
    rally = NULL;
}
static void send_due(void) {
    uint64_t t = now_ns();
    for (int i = 0; i < used; i++) {
        struct stream *s = all[i];
        if (!s || !s->is_started || s->due > t) continue;
        if (s->sent == options.count) { finish(s); continue; }
        send_one(s, s->due);
        if (is_sampling) add_sample(&lateness, (now_ns() - s->due) / 1000.0);
        s->due += (uint64_t)options.interval_us * 1000u;
    }
}
/* Time until the next planned chunk; NULL when none is planned. */
static struct timespec *time_to_wait(struct timespec *wait) {
    uint64_t t = now_ns(), soonest = ~0ull;
    for (int i = 0; i < used; i++)
        if (all[i] && all[i]->is_started && all[i]->due < soonest) soonest = all[i]->due;
    if (soonest == ~0ull) return NULL;
    uint64_t ns = soonest > t ? soonest - t : 0;
    wait->tv_sec = ns / 1000000000u;
    wait->tv_nsec = ns % 1000000000u;
    return wait;
}
static void set_up(void) {
    int one = 1;
    struct sockaddr_in here = loopback(options.origin_port);
    listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&here, sizeof here)) { perror("origin bind"); exit(2); }
    listen(listener, 8192);
    prepare_socket(listener);
    capacity = options.streams + 1088; /* and silent streams of another client */
    all = calloc(capacity, sizeof *all);
    frame = malloc(options.size + 64);
    if (options.bulk) make_block();
    poll_fd = epoll_create1(0);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
    watch(EPOLL_CTL_ADD, next_fd, EPOLLIN, &go_marker);
}
void *run_origin(void *unused) {
    (void)unused;
    pin_to_core();
    set_up();
    for (;;) {
        struct timespec wait;
        struct epoll_event ready[256];
        int n = epoll_pwait2(poll_fd, ready, 256, options.paced ? time_to_wait(&wait) : NULL, NULL);
        for (int i = 0; i < n; i++) {
            struct stream *s = ready[i].data.ptr;
            if (!s) { accept_all(); continue; }
            if (s == &go_marker) { send_next_of_rally(); continue; }
            if (ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR) && !take_request(s)) continue;
            if (options.bulk && s->is_started && ready[i].events & EPOLLOUT) write_bulk(s);
        }
        if (options.paced) send_due();
    }
    return NULL;
}
