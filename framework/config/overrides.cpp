#include "config/reader.h"
#include "core/check.h"

namespace saltus {

std::vector<Override> parse_overrides(std::span<const std::string> args) {
  std::vector<Override> overrides;
  for (std::size_t i = 0; i < args.size(); ++i) {
    std::string spelt = args[i];
    const bool dashed = spelt.starts_with("--");
    const std::string_view body = std::string_view(args[i]).substr(dashed ? 2 : 0);
    const std::size_t equals = body.find('=');
    const std::string key(body.substr(0, equals));
    const auto origin = [&] { return fmt::format("<command line>: override {} '{}'", overrides.size() + 1, spelt); };
    check_input(!key.empty() && !key.starts_with('-') && (dashed || equals != std::string_view::npos),
                "{}: expected path.to.key=value (or --path.to.key value)", origin());
    std::string value;
    if (equals != std::string_view::npos) {
      value = body.substr(equals + 1);
    } else {
      check_input(i + 1 < args.size() && !args[i + 1].starts_with("--"), "{}: a value must follow", origin());
      value = args[++i];
      spelt += " " + value;
    }
    overrides.push_back({key, value, origin()});
  }
  return overrides;
}

}  // namespace saltus
