/* stampreader: an independent reader of the kernel's receive stamps, to compare with `chunkwire bench`.
 *
 *   stampreader PORT STREAMS FRAMES INTERVAL_MS
 *
 * Opens that many streams of /probe, and prints a line for each frame that ends a receive: the client's port, the
 * frame's stamp (ns, just before the origin's write), and the ns from there to the packet's arrival, by
 * SO_TIMESTAMPING. A frame that shares a receive with a later one has no arrival: it has no line.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/net_tstamp.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int open_stream(int port, int frames, int interval_ms) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    int flags = SOF_TIMESTAMPING_RX_SOFTWARE | SOF_TIMESTAMPING_SOFTWARE;
    char request[200];
    if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPING, &flags, sizeof flags) || connect(fd, (void *)&to, sizeof to)) return -1;
    int size = snprintf(request, sizeof request, "GET /probe?n=%d&interval=%dms HTTP/1.1\r\nHost: x\r\n\r\n", frames,
                        interval_ms);
    return write(fd, request, size) == size ? fd : -1;
}
/* Read once; 0 when the stream is over. */
static int read_once(int fd) {
    static char octets[65536], ancillary[256];
    struct iovec to = {octets, sizeof octets - 1};
    struct msghdr message = {.msg_iov = &to, .msg_iovlen = 1, .msg_control = ancillary, .msg_controllen = sizeof ancillary};
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    long long arrived = 0, written = 0;
    ssize_t got = recvmsg(fd, &message, 0);
    if (got <= 0 || (got >= 5 && !memcmp(octets + got - 5, "0\r\n\r\n", 5))) return 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPING) {
            struct timespec stamp;
            memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
            arrived = stamp.tv_sec * 1000000000LL + stamp.tv_nsec;
        }
    octets[got] = 0;
    for (char *at = octets; (at = strstr(at, "\"actual_ns\":")); at += 12) written = atoll(at + 12);
    if (!arrived || !written || memcmp(octets + got - 4, "\n\n\r\n", 4)) return 1;
    getsockname(fd, (void *)&from, &size);
    printf("%d %lld %lld\n", ntohs(from.sin_port), written, arrived - written);
    return 1;
}
int main(int argc, char **argv) {
    if (argc != 5) { fprintf(stderr, "stampreader PORT STREAMS FRAMES INTERVAL_MS\n"); return 2; }
    int set = epoll_create1(0), streams = atoi(argv[2]), open_streams = 0;
    for (int i = 0; i < streams; i++) {
        int fd = open_stream(atoi(argv[1]), atoi(argv[3]), atoi(argv[4]));
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        if (fd < 0 || epoll_ctl(set, EPOLL_CTL_ADD, fd, &event)) { perror("stampreader"); return 1; }
        open_streams++;
        usleep(1000);
    }
    while (open_streams) {
        struct epoll_event ready[64];
        int n = epoll_wait(set, ready, 64, 10000);
        if (n <= 0) return 1;
        for (int i = 0; i < n; i++)
            if (!read_once(ready[i].data.fd)) { close(ready[i].data.fd); open_streams--; }
    }
    return 0;
}
