/* Shared by the parts of flushmeter: the options, the clock, and the sampling window. */
#ifndef METER_H
#define METER_H
#define _GNU_SOURCE
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

struct options {
    int origin_port, target_port, streams, count, interval_us, size, mix, ext, cpu, pid, external, warmup_ms;
    int paced, pingpong, bulk;
    const char *mode, *path;
};
/* Samples of one kind, in microseconds; those beyond the capacity are dropped. */
struct samples { double *us; size_t count, capacity; };

extern struct options options;
extern struct samples lateness;  /* origin: the actual write minus the planned moment */
extern volatile int is_sampling; /* set by the client while its window is open */
extern int next_fd;              /* eventfd, client to origin: the last chunk has arrived */

static const char LAST_CHUNK[] = "0\r\n\r\n";
enum { STAMP = 20 }; /* a letter and 19 digits of CLOCK_REALTIME nanoseconds */

uint64_t now_ns(void);
void pin_to_core(void);
void prepare_socket(int fd);
struct sockaddr_in loopback(int port);
struct samples room_for(size_t capacity);
void add_sample(struct samples *samples, double us);

void *run_origin(void *unused);
int run_client(void);
#endif
