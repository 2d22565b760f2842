using System.Globalization;

namespace PdEngine.Host;

/// <summary>Where a request went and where its time did, in one line.</summary>
internal static class RouteText
{
    public static string Of(Generation generation)
    {
        PhaseTimings times = generation.Timings;
        string handoff = generation.PdPath is PdPath.Local ? ""
            : $", {Count(generation.HandoffBlocks, "block")}, {Count(generation.TransferBytes, "byte")}";
        string passing = generation.PdPath is PdPath.Local ? "" : $"hand-off {Ms(times.PassingNs)}, ";
        string failures = generation.FailureCount == 0 ? ""
            : $"; {Count(generation.FailureCount, "worker failure")}";
        return $"{PathName(generation.PdPath)}{Reason(generation)}: {Workers(generation)}{handoff}; queue "
            + $"{Ms(times.PrefillQueueNs)}, prefill {Ms(times.PrefillForwardNs)}, {passing}decode "
            + $"{Ms(times.DecodeForwardNs)}{failures}";
    }

    public static string PathName(PdPath path) => path switch
    {
        PdPath.Handoff => "handoff",
        PdPath.Copy => "copy",
        _ => "local",
    };

    private static string Reason(Generation generation) =>
        generation.PdReason.Length == 0 ? "" : $" ({generation.PdReason})";

    private static string Workers(Generation generation)
    {
        (string prefill, string decode) = (generation.PrefillWorker, generation.DecodeWorker);
        if (prefill.Length == 0)
            return decode.Length == 0 ? "no worker took it up" : decode;
        return decode.Length == 0 || decode == prefill ? prefill : $"{prefill} -> {decode}";
    }

    private static string Count(long count, string unit) => $"{count} {unit}{(count == 1 ? "" : "s")}";

    private static string Ms(long ns) => string.Create(CultureInfo.InvariantCulture, $"{ns / 1e6:F2} ms");
}
