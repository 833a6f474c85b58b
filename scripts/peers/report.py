"""What scripts/bench_peers.py found, as text."""

from statistics import median, quantiles

from peers.processes import Saltus


def row(rounds, own, about):
    """The numbers of one system at one thread count. The share is the median, with quartiles, of the rounds' own
    ratios, which a drift of the machine's speed leaves alone."""
    ms = [one["ms"] for one in rounds]
    found = {"ms_per_step": ms, "median": median(ms), "cores": median(one["cores"] for one in rounds), **about}
    if own is not rounds:
        low, share, high = quantiles([ours["ms"] / theirs for theirs, ours in zip(ms, own)], n=4, method="inclusive")
        found.update(saltus_share=share, saltus_share_quartiles=[low, high])
    return found


def rows(times, about):
    own = times[Saltus.name]
    return {name: row(rounds, own, about.get(name, {})) for name, rounds in times.items()}


def best(table):
    return min((name for name in table if name != Saltus.name), key=lambda name: table[name]["median"])


def counted(threads):
    return f"{threads} thread{'s' if threads > 1 else ''}"


def cell(found):
    ms = f"{found['median']:9.3f} ms"
    if "saltus_share" not in found:
        return f"{ms:<42}"
    low, high = found["saltus_share_quartiles"]
    on = f" on {found['threads']}" if found["threads"] != found["asked_threads"] else ""
    return f"{ms}   {found['saltus_share']:.3f} ({low:.3f} .. {high:.3f}){on}".ljust(42)


def table(tables):
    """Of {thread count: rows}: a line a system, the columns of each thread count."""
    names = list(dict.fromkeys(name for found in tables.values() for name in found))
    width = 2 + max(map(len, names))
    lines = [" " * width + "".join(f"{counted(threads) + ': a step, saltus takes of it':<42}" for threads in tables)]
    for name in names:
        cells = (cell(found[name]) if name in found else " " * 42 for found in tables.values())
        lines.append((name.ljust(width) + "".join(cells)).rstrip())
    return "\n".join(lines)


def details(threads, found):
    """How each came about: the way, the threads, how many cores it kept busy."""
    fastest = best(found)
    lines = [
        f"{counted(threads)}: of the best peer's time ({fastest}), saltus takes {found[fastest]['saltus_share']:.3f}",
        f"  cores kept busy: saltus {found[Saltus.name]['cores']:.2f}",
    ]
    for name, numbers in found.items():
        if name != Saltus.name:
            used = "" if numbers["threads"] == threads else f", {counted(numbers['threads'])}, the faster"
            lines.append(f"  {name}: {numbers['cores']:.2f}; {numbers['way']}{used}")
            if numbers["cores"] > numbers["threads"] + 0.1:
                lines.append(f"    beware: that is more than the {counted(numbers['threads'])} it was given")
            lines += [f"    did not work: {way}: {why}" for way, why in numbers["failed"].items()]
    return "\n".join(lines)


def errors(name, found):
    return (
        f"{name}: first step as saltus' but for {found['loss']:.0e} of the loss, {found['gradients']:.0e} of the "
        f"gradients, {found['weights']:.0f} float32 spacings in the weights after it"
    )
