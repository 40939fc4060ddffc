// A gzip stream in memory: metrics become a tenth, and Prometheus asks for it.
#pragma once

#include <zlib.h>

#include <string>
#include <string_view>

namespace bulkhead::runtime::agent {

class Gzip {
public:
    Gzip();
    Gzip(const Gzip&) = delete;
    Gzip& operator=(const Gzip&) = delete;
    ~Gzip();

    void add(std::string_view text);
    // All of it; nothing may be added any more.
    std::string finish();

private:
    void deflate_all(int flush);

    z_stream stream_{};
    std::string out_;
};

}  // namespace bulkhead::runtime::agent
