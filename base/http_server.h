/* /metrics, /healthz, /readyz and a status page at / (libmicrohttpd, one thread of its own). */
#ifndef LEAT_BASE_HTTP_SERVER_H
#define LEAT_BASE_HTTP_SERVER_H

#include "base/err.h"

struct http_server;
/* listen: "127.0.0.1:9102", "0.0.0.0:9102", "[::]:9102"; port 0 picks one (see http_server_port). */
MUST_CHECK enum rc http_server_start(const char *listen, struct http_server **ret_server, struct err *err);
unsigned short http_server_port(const struct http_server *server);
void http_server_stop(struct http_server *server);

#endif
