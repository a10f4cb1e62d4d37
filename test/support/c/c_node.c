/* A C node of OTP's erl_interface: connects with a node, sends to its process `echo`, receives what it answers, and has a function run
   by rpc. Prints what happens, one line for each step; what it was not asked for is printed as such. Ends with 1 when it cannot go on.
   Arguments: its own name before the @, the cookie, the other node. The port of epmd is in ERL_EPMD_PORT. */
#include <ei.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define QUIET_MS 600
#define ANSWER_MS 10000

static int fail(const char *step) {
    printf("%s failed\n", step);
    return 1;
}

/* Receives one message; ticks are none. */
static int receive(int fd, ei_x_buff *x, unsigned ms) {
    erlang_msg msg;
    int got;
    do {
        x->index = 0;
        got = ei_xreceive_msg_tmo(fd, &msg, x, ms);
    } while (got == ERL_TICK);
    return got;
}

int main(int argc, char **argv) {
    ei_cnode ec;
    struct in_addr here = {htonl(INADDR_LOOPBACK)};
    char full[MAXNODELEN + 1];
    ei_x_buff out, in;
    int fd, version, arity, index;
    long length, number;
    char text[MAXATOMLEN], bytes[16];

    if (argc != 4 || ei_init() != 0) return fail("init");
    snprintf(full, sizeof full, "%s@127.0.0.1", argv[1]);
    if (ei_connect_xinit(&ec, "127.0.0.1", argv[1], full, &here, argv[2], 1) < 0) return fail("xinit");
    if ((fd = ei_connect(&ec, argv[3])) < 0) return fail("connect");
    printf("connected\n");
    ei_x_new(&in);

    /* Whoever connects and says nothing is told nothing. */
    printf("%s\n", receive(fd, &in, QUIET_MS) == ERL_ERROR && erl_errno == ETIMEDOUT ? "quiet" : "not asked for");

    /* {Self, {<<"text">>, [1, 2.5, atom]}}; the answer is the second element and some bytes. */
    ei_x_new_with_version(&out);
    ei_x_encode_tuple_header(&out, 2);
    ei_x_encode_pid(&out, ei_self(&ec));
    ei_x_encode_tuple_header(&out, 2);
    ei_x_encode_binary(&out, "text", 4);
    ei_x_encode_list_header(&out, 3);
    ei_x_encode_long(&out, 1);
    ei_x_encode_double(&out, 2.5);
    ei_x_encode_atom(&out, "atom");
    ei_x_encode_empty_list(&out);
    if (ei_reg_send(&ec, fd, "echo", out.buff, out.index) < 0) return fail("send");
    if (receive(fd, &in, ANSWER_MS) != ERL_MSG) return fail("receive");
    index = 0;
    if (ei_decode_version(in.buff, &index, &version) || ei_decode_tuple_header(in.buff, &index, &arity) || arity != 2)
        return fail("decode");
    char *shown = NULL;
    int start = index;
    ei_s_print_term(&shown, in.buff, &start);
    printf("echo %s\n", shown);
    index = start;
    if (ei_decode_binary(in.buff, &index, bytes, &length)) return fail("ei_decode_binary");
    printf("bytes");
    for (long at = 0; at < length; at++) printf(" %d", (unsigned char)bytes[at]);
    printf("\n");

    /* lists:sum([1, 2, 3]), which a list of small numbers makes a string of. */
    ei_x_free(&out);
    ei_x_new(&out);
    ei_x_encode_list_header(&out, 1);
    ei_x_encode_list_header(&out, 3);
    for (number = 1; number <= 3; number++) ei_x_encode_long(&out, number);
    ei_x_encode_empty_list(&out);
    ei_x_encode_empty_list(&out);
    in.index = 0;
    if (ei_rpc(&ec, fd, "lists", "sum", out.buff, out.index, &in) < 0) return fail("ei_rpc");
    index = 0;
    if (ei_decode_long(in.buff, &index, &number)) return fail("decode of rpc");
    printf("sum %ld\n", number);

    /* A function that there is not: {badrpc, _}. */
    ei_x_free(&out);
    ei_x_new(&out);
    ei_x_encode_empty_list(&out);
    in.index = 0;
    if (ei_rpc(&ec, fd, "no_module", "none", out.buff, out.index, &in) < 0) return fail("second ei_rpc");
    index = 0;
    if (ei_decode_tuple_header(in.buff, &index, &arity) || ei_decode_atom(in.buff, &index, text)) return fail("decode of badrpc");
    printf("%s\n", text);
    close(fd);
    return 0;
}
