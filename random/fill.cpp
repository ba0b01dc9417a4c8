#include "random/fill.hpp"

// The kernels keep vectors in arrays, which vectors of unknown length do not allow; NEON serves those machines.
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "random/fill.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "random/fill-inl.hpp"
#include "random/random.hpp"

HWY_BEFORE_NAMESPACE();
namespace edgewise::random::HWY_NAMESPACE {
const char* target_name() {
  return hwy::TargetName(HWY_TARGET);
}
}  // namespace edgewise::random::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace edgewise::random {

HWY_EXPORT(fill_normals);
HWY_EXPORT(fill_uniforms);
HWY_EXPORT(target_name);

void fill_normals(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key, double* out,
                  std::size_t blocks) {
  HWY_DYNAMIC_DISPATCH(fill_normals)(counter, key, out, blocks);
}

void fill_uniforms(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key, double* out,
                   std::size_t blocks) {
  HWY_DYNAMIC_DISPATCH(fill_uniforms)(counter, key, out, blocks);
}

const char* simd_target() {
  return HWY_DYNAMIC_DISPATCH(target_name)();
}

}  // namespace edgewise::random
#endif
