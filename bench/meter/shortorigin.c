/* shortorigin: answers each request with the same short chunked response (64 octets of data and the last-chunk), in
 * one epoll loop: a fast origin for the relays of the `setup` experiment. Requests have no body. A request with
 * `Connection: close` ends its connection. A request with an X-Request-Id is answered with a longer head that has the
 * id, as by an application.
 * Usage: shortorigin LISTEN_PORT (on 127.0.0.1) */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct peer { int fd, length; char request[8192]; };

#define DATA16 "xxxxxxxxxxxxxxxx"
#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n"
#define BODY "\r\n40\r\n" DATA16 DATA16 DATA16 DATA16 "\r\n0\r\n\r\n"
#define FIELDS "Date: Thu, 26 Nov 2026 12:00:00 GMT\r\nServer: shortorigin\r\nCache-Control: no-cache\r\n"
#define CLOSE "Connection: close\r\n"
#define ID "\r\nX-Request-Id: "

static void end(struct peer *p) {
    close(p->fd);
    free(p);
}
static void accept_all(int ep, int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct peer *p = calloc(1, sizeof *p);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = p};
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        p->fd = fd;
        epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
    }
}
static int compose(char *response, const char *request, int is_last) {
    int length = sprintf(response, HEAD "%s", is_last ? CLOSE : "");
    const char *id = strcasestr(request, ID);
    if (id) {
        id += strlen(ID);
        int octets = strcspn(id, "\r");
        length += sprintf(response + length, FIELDS "X-Request-Id: %.*s\r\n", octets < 128 ? octets : 128, id);
    }
    return length + sprintf(response + length, BODY);
}
static void answer(struct peer *p) {
    ssize_t got = read(p->fd, p->request + p->length, sizeof p->request - 1 - p->length);
    if (got <= 0) { end(p); return; }
    p->length += got;
    p->request[p->length] = 0;
    char *stop;
    while ((stop = strstr(p->request, "\r\n\r\n"))) {
        stop[2] = 0;
        char response[1024];
        int is_last = strcasestr(p->request, "\r\n" CLOSE) != NULL, length = compose(response, p->request, is_last);
        if (write(p->fd, response, length) < 0 || is_last) { end(p); return; }
        p->length -= stop + 4 - p->request;
        memmove(p->request, stop + 4, p->length + 1);
    }
}
int main(int argc, char **argv) {
    if (argc != 2) return 2;
    signal(SIGPIPE, SIG_IGN);
    struct rlimit files = {200000, 200000};
    setrlimit(RLIMIT_NOFILE, &files);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1]))};
    inet_pton(AF_INET, "127.0.0.1", &here.sin_addr);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, ep = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (void *)&here, sizeof here)) return 1;
    listen(listener, 8192);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL}, ready[256];
    epoll_ctl(ep, EPOLL_CTL_ADD, listener, &e);
    for (;;) {
        int n = epoll_wait(ep, ready, 256, -1);
        for (int i = 0; i < n; i++)
            if (ready[i].data.ptr) answer(ready[i].data.ptr);
            else accept_all(ep, listener);
    }
}
