using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Samples as rows of numbers, for charts.</summary>
internal static class PageSeries
{
    /// <summary>Tokens come in steps, which may take a second.</summary>
    private const double SmoothSeconds = 5;

    private static readonly (string Name, Func<LoadSample, LoadWindow?, double?> Value)[] Columns =
    [
        ("time_ms", (sample, _) => sample.TimeMs),
        ("output_per_second", (_, window) => window?.OutputTokensPerSecond),
        ("prefill_per_second", (_, window) => window?.PrefillTokensPerSecond),
        ("requests_per_second", (_, window) => window?.RequestsPerSecond),
        ("handoffs_per_second", (_, window) => window?.HandoffsPerSecond),
        ("ttft_p50", (sample, _) => sample.FirstToken.Median),
        ("ttft_p95", (sample, _) => sample.FirstToken.P95),
        ("itl_p50", (sample, _) => sample.InterToken.Median),
        ("itl_p95", (sample, _) => sample.InterToken.P95),
        ("handoff_p50", (sample, _) => sample.Handoff.Median),
        ("handoff_p95", (sample, _) => sample.Handoff.P95),
        ("queued", (sample, _) => sample.Queued),
        ("prefilling", (sample, _) => sample.View.Workers.Sum(worker => worker.Status.Prefilling)),
        ("arrived", (sample, _) => sample.Arrived),
        ("decoding", (sample, _) => sample.Decoding),
        ("busy_prefill", (_, window) => window?.BusyPart(WorkerType.Prefill)),
        ("busy_decode", (_, window) => window?.BusyPart(WorkerType.Decode)),
        ("busy_regular", (_, window) => window?.BusyPart(WorkerType.Regular)),
        ("held_part", (sample, _) => sample.HeldPart),
    ];

    /// <summary>Writes the samples taken after a moment; the first of a run has no rates.</summary>
    public static void Write(Utf8JsonWriter json, LoadSample[] samples, long afterMs)
    {
        json.WriteStartArray("columns");
        foreach ((string name, _) in Columns)
            json.WriteStringValue(name);
        json.WriteStringValue("itl_now");
        json.WriteEndArray();
        json.WriteStartArray("samples");
        for (int i = 0; i < samples.Length; i++)
        {
            if (samples[i].TimeMs <= afterMs)
                continue;
            ArraySegment<LoadSample> past = new(samples, 0, i + 1);
            LoadWindow? window = LoadWindow.Of(past[Math.Max(0, i - 1)..], LoadHistory.GapMs / 1e3);
            json.WriteStartArray();
            foreach ((_, Func<LoadSample, LoadWindow?, double?> value) in Columns)
                WriteNumber(json, value(samples[i], window));
            WriteNumber(json, LoadWindow.Of(past, SmoothSeconds)?.InterTokenMs);
            json.WriteEndArray();
        }
        json.WriteEndArray();
    }

    /// <summary>With as many digits as anybody reads.</summary>
    public static void WriteNumber(Utf8JsonWriter json, string name, double? value)
    {
        json.WritePropertyName(name);
        WriteNumber(json, value);
    }

    private static void WriteNumber(Utf8JsonWriter json, double? value)
    {
        if (value is { } number)
            json.WriteNumberValue(Math.Round(number, 3));
        else
            json.WriteNullValue();
    }
}
