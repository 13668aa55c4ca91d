// Members of a ZIP archive, as NumPy writes .npz: stored or deflated, also beyond 4 GiB (ZIP64).
// In: a mapped archive and a member's name.  Out: its bytes, checked against the archive's checksum.
// Source: APPNOTE.TXT of PKWARE, sections 4.3 and 4.5.3.
#pragma once
#include "runtime/data/MappedFile.h"
#include <cstdint>
#include <memory>

namespace rt {

struct ZipMember {
  std::shared_ptr<const void> owner; ///< of the bytes
  std::string_view bytes;
};

/// A stored member is a part of the mapping.  A deflated one is inflated once: into memory up to `inMemory` bytes, else into a file without a name in
/// $TMPDIR or /var/tmp, which is mapped; the kernel drops its pages when memory is short.  Fails with Exit::badData, Exit::io; `origin` stands in messages.
ZipMember zipMember(std::shared_ptr<const MappedFile> archive, const std::string &name, const std::string &origin, uint64_t inMemory);

} // namespace rt
