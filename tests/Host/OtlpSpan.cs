namespace PdEngine.Tests;

/// <summary>A span as a collector gets it.</summary>
internal sealed record OtlpSpan(
    string TraceId, string Id, string ParentId, string Name, ulong StartNs, ulong EndNs,
    IReadOnlyDictionary<string, object?> Attributes);

/// <summary>A point of a metric as a collector gets it.</summary>
/// <param name="Name">Of the metric.</param>
/// <param name="Value">Sum or value; of a histogram its count.</param>
/// <param name="Bounds">Of a histogram's buckets.</param>
/// <param name="Attributes">Of the point.</param>
internal sealed record OtlpMetric(
    string Name, double Value, IReadOnlyList<double> Bounds, IReadOnlyDictionary<string, object?> Attributes);
