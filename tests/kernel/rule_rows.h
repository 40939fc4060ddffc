// Rows of rules as a published policy would leave them, written one by one.
#pragma once

#include <initializer_list>
#include <string>

#include "bpf/wire.h"
#include "tests/kernel/actors.h"

namespace bulkhead::tests {

// What holds for `prefix` ("127.0.0.1/32", "fd00::/8") where no longer one does.
void put_route(const BareEnvironment& environment, __u32 generation, const std::string& prefix,
               std::initializer_list<bh_port_rule> ports);

// The rest of a policy's rules.
void put_policy(const BareEnvironment& environment, __u32 generation, const bh_policy& policy);

// The generation that decides now; each change of the control word begins the next one.
__u32 generation_of(BareEnvironment& environment);

// All ports, of one protocol or (0) of any.
bh_port_rule all_ports(bh_verdict verdict, __u16 rule = 0, __u8 protocol = 0);
bh_port_rule one_port(bh_verdict verdict, __u16 port, __u8 protocol, __u16 rule = 0);

}  // namespace bulkhead::tests
