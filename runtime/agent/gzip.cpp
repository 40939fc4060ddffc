#include "runtime/agent/gzip.h"

#include <array>
#include <new>

namespace bulkhead::runtime::agent {

Gzip::Gzip() {
    constexpr int kGzipFormat = MAX_WBITS + 16, kMemoryLevel = 8;  // as zlib.h has them
    // Names repeat in every line: the fastest level finds that too.
    if (::deflateInit2(&stream_, Z_BEST_SPEED, Z_DEFLATED, kGzipFormat, kMemoryLevel,
                       Z_DEFAULT_STRATEGY) != Z_OK)
        throw std::bad_alloc();
}

Gzip::~Gzip() {
    ::deflateEnd(&stream_);
}

void Gzip::add(std::string_view text) {
    // zlib does not write there; its type is older than const.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream_.avail_in = static_cast<uInt>(text.size());
    deflate_all(Z_NO_FLUSH);
}

std::string Gzip::finish() {
    deflate_all(Z_FINISH);
    return std::move(out_);
}

void Gzip::deflate_all(int flush) {
    std::array<Bytef, 16384> part;
    do {
        stream_.next_out = part.data();
        stream_.avail_out = part.size();
        ::deflate(&stream_, flush);
        out_.append(reinterpret_cast<const char*>(part.data()), part.size() - stream_.avail_out);
    } while (stream_.avail_out == 0);
}

}  // namespace bulkhead::runtime::agent
