// Running a pinned iterator: one pass, and the rows that it writes.
#pragma once

#include <string>
#include <vector>

#include "loader/result.h"
#include "loader/unique_fd.h"

namespace bulkhead::loader {

// `map`: what it walks over; empty: something that is not a map.
Result<UniqueFd> start_pass(const std::string& program, const std::string& map = "");

// All that the pass writes. A read may end within a row.
Result<std::string> read_pass(const UniqueFd& pass);

template <typename Row>
Result<std::vector<Row>> read_rows(const UniqueFd& pass) {
    BULKHEAD_TRY_VALUE(bytes, read_pass(pass));
    std::vector<Row> rows(bytes.size() / sizeof(Row));
    bytes.copy(reinterpret_cast<char*>(rows.data()), rows.size() * sizeof(Row));
    return rows;
}

}  // namespace bulkhead::loader
