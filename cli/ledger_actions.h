// What the commands about the ledger do. They are the only ones that need SQLite, which would cost
// every start: bulkhead-ledger has them (ledger_actions.cpp), and bulkhead becomes that
// (become_ledger.cpp).
#pragma once

#include <functional>
#include <string>

#include "loader/result.h"

namespace bulkhead::cli {

struct ReceiptsOptions {
    std::string name;
    std::string since;
    std::string until;
    std::string period;
    bool execs = false;
    bool json = false;
    bool csv = false;
};

struct BillOptions {
    std::string prices;
    std::string period;
    bool json = false;
    bool csv = false;
};

struct UnloadOptions {
    bool force = false;
    bool idle = false;
    bool json = false;
};

Result<int> receipts(const ReceiptsOptions& options);
Result<int> bill(const BillOptions& options);
// With what is pending stored, as other programs could not read it.
Result<int> unload(const UnloadOptions& options);

// The part of it that needs no ledger.
Result<int> unload_and_tell(const UnloadOptions& options, const std::function<void()>& store_ended);

}  // namespace bulkhead::cli
