/* What bench/steps.bpf.c records and bench/timeline.cpp adds up. Shared by both. */
#ifndef BULKHEAD_BENCH_STEPS_H
#define BULKHEAD_BENCH_STEPS_H

#define STEP_MAX_EVENTS 32768

enum step_kind {
    STEP_ENTER, /* number: of the system call */
    STEP_EXIT,
    STEP_SWITCH, /* pid runs from here on; number: 1 for a kernel thread */
};

/* One event: who, and what: a step_kind in the upper half, a number in the lower. */
#define STEP_WHAT(kind, number) ((unsigned int)(kind) << 16 | ((unsigned int)(number)&0xffff))
#define STEP_KIND(what) ((what) >> 16)
#define STEP_NUMBER(what) ((what)&0xffff)

#endif
