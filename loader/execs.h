// What was started in environments that ran already: a row each in bh_execs, with what it and all
// its descendants used, until that is stored.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "bpf/wire.h"
#include "loader/map_view.h"
#include "loader/result.h"

namespace bulkhead::loader {

struct ExecRow {
    __u64 number = 0;
    bh_exec exec{};
};

class Execs {
public:
    // ENOENT when nothing is loaded.
    static Result<Execs> open();

    // From now on what the labelled process does and creates is that of a new exec, whose number
    // this returns. It must not have begun to run its command. E2BIG: there is no room for a row.
    // Programs count the packets of the environment's execs from its first one on.
    Result<__u64> begin(int pidfd, const bh_exec& first) const;

    [[nodiscard]] Result<std::optional<bh_exec>> find(__u64 number) const;
    // Of all environments, in the order of their numbers.
    [[nodiscard]] Result<std::vector<ExecRow>> rows() const;
    // Adds to the rows what tasks that run have used until now.
    [[nodiscard]] Status settle() const;
    // Its usage is stored, or it never was one. Once more is no error.
    [[nodiscard]] Status forget(__u64 number) const;
    // After execs of the environment ended: takes those programs away if none of it runs.
    [[nodiscard]] Status settle_packets(bh_label label) const;

private:
    [[nodiscard]] Status put(__u64 number, const bh_exec& row) const;

    Execs(MapView<__u64, bh_exec> rows, MapView<int, bh_exec_task> tasks, MappedArray<bh_meta> meta)
        : rows_(std::move(rows)), tasks_(std::move(tasks)), meta_(std::move(meta)) {}

    MapView<__u64, bh_exec> rows_;
    MapView<int, bh_exec_task> tasks_;
    MappedArray<bh_meta> meta_;
};

}  // namespace bulkhead::loader
