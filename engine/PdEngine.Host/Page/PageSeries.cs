using System.Text.Json;

namespace PdEngine.Host;

/// <summary>Samples as rows of numbers, for charts.</summary>
internal static class PageSeries
{
    /// <summary>Tokens come in steps, which may take a second.</summary>
    private const double SmoothSeconds = 5;

    private static readonly (string Name, Func<LoadSample, Windows, double?> Value)[] Columns =
    [
        ("time_ms", (sample, _) => sample.TimeMs),
        ("output_per_second", (_, past) => past.Smooth?.OutputTokensPerSecond),
        ("prefill_per_second", (_, past) => past.Smooth?.PrefillTokensPerSecond),
        ("requests_per_second", (_, past) => past.Smooth?.RequestsPerSecond),
        ("handoffs_per_second", (_, past) => past.Smooth?.HandoffsPerSecond),
        ("ttft_p50", (sample, _) => sample.FirstToken.Median),
        ("ttft_p95", (sample, _) => sample.FirstToken.P95),
        ("itl_p50", (sample, _) => sample.InterToken.Median),
        ("itl_p95", (sample, _) => sample.InterToken.P95),
        ("itl_now", (_, past) => past.Smooth?.InterTokenMs),
        ("handoff_p50", (sample, _) => sample.Handoff.Median),
        ("handoff_p95", (sample, _) => sample.Handoff.P95),
        ("queued", (sample, _) => sample.Queued),
        ("prefilling", (sample, _) => sample.View.Workers.Sum(worker => worker.Status.Prefilling)),
        ("arrived", (sample, _) => sample.Arrived),
        ("decoding", (sample, _) => sample.Decoding),
        ("busy_prefill", (_, past) => past.Short?.BusyPart(WorkerType.Prefill)),
        ("busy_decode", (_, past) => past.Short?.BusyPart(WorkerType.Decode)),
        ("busy_regular", (_, past) => past.Short?.BusyPart(WorkerType.Regular)),
        ("held_part", (sample, _) => sample.HeldPart),
    ];

    /// <summary>Writes the samples taken after a moment; the first of a run has no rates.</summary>
    public static void Write(Utf8JsonWriter json, LoadSample[] samples, long afterMs)
    {
        json.WriteStartArray("columns");
        foreach ((string name, _) in Columns)
            json.WriteStringValue(name);
        json.WriteEndArray();
        json.WriteStartArray("samples");
        for (int i = 0; i < samples.Length; i++)
        {
            if (samples[i].TimeMs <= afterMs)
                continue;
            ArraySegment<LoadSample> past = new(samples, 0, i + 1);
            Windows windows = new(LoadWindow.Of(past[Math.Max(0, i - 1)..], LoadHistory.GapMs / 1e3),
                LoadWindow.Of(past, SmoothSeconds));
            json.WriteStartArray();
            foreach ((_, Func<LoadSample, Windows, double?> value) in Columns)
                WriteNumber(json, value(samples[i], windows));
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

    /// <summary>From the sample before to this one, and some seconds up to this one.</summary>
    private readonly record struct Windows(LoadWindow? Short, LoadWindow? Smooth);
}
