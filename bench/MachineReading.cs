using System.Text.Json;

namespace PdEngine.Bench;

/// <summary>The machine's limits at one moment; what the CPU lacks is null.</summary>
/// <param name="Threads">Threads that the limits are of.</param>
/// <param name="AmxFlopsPerSecond">AMX tiles in bf16.</param>
/// <param name="FmaFlopsPerSecond">Float32 FMA.</param>
/// <param name="VnniOpsPerSecond">VNNI in int8.</param>
/// <param name="ReadBytesPerSecond">Reads past the caches.</param>
/// <param name="Bf16FlopsPerSecond">512-bit dot products of bf16.</param>
internal sealed record MachineReading(
    int Threads, double? AmxFlopsPerSecond, double? FmaFlopsPerSecond, double? VnniOpsPerSecond,
    double? ReadBytesPerSecond, double? Bf16FlopsPerSecond = null)
{
    /// <summary>Measures with threads of its own, which end before it returns.</summary>
    public static MachineReading Take(int threads, int probeMilliseconds)
    {
        using MachineLimits limits = new(threads, probeMilliseconds);
        return limits.Read();
    }

    /// <summary>All limits in a line.</summary>
    public override string ToString() =>
        $"{{\"threads\": {Threads}, \"amx_bf16_gflops\": {Giga(AmxFlopsPerSecond)}, \"fma_fp32_gflops\": "
        + $"{Giga(FmaFlopsPerSecond)}, \"bf16_dot_gflops\": {Giga(Bf16FlopsPerSecond)}, "
        + $"\"vnni_int8_gops\": {Giga(VnniOpsPerSecond)}, \"read_gbps\": {Giga(ReadBytesPerSecond)}}}";

    /// <summary>What prefill and decode are bound by, in GFLOP/s and GB/s.</summary>
    public string Short() =>
        $"{(AmxFlopsPerSecond ?? FmaFlopsPerSecond) / 1e9:F0} GFLOP/s, {ReadBytesPerSecond / 1e9:F1} GB/s";

    public void Write(Utf8JsonWriter json, string name)
    {
        json.WritePropertyName(name);
        json.WriteRawValue(ToString());
    }

    private static string Giga(double? rate) => rate is { } value ? $"{value / 1e9:F1}" : "null";
}
