using System.Text.RegularExpressions;

namespace PdEngine.Tests;

/// <summary>What Prometheus reads.</summary>
public sealed partial class HttpMetricsTests
{
    [Test]
    public async Task Every_line_is_of_the_format_and_counts_what_was_made()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/generate",
            """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":4,"ignore_eos":true,"n":2}}""");
        await rig.RefusedAsync("/generate", "{}");
        // An answer may be there before it is counted.
        await Assert.ThatAsync(
            () => rig.Client.GetStringAsync("/metrics"),
            Does.Contain("pdengine_http_answers_total{status=\"400\"}").After(60_000, 10));
        using HttpResponseMessage answer = await rig.Client.GetAsync("/metrics");
        Assert.That(answer.Content.Headers.ContentType!.ToString(),
            Is.EqualTo("text/plain; version=0.0.4; charset=utf-8"));
        string text = await answer.Content.ReadAsStringAsync();
        Assert.That(text, Does.EndWith("\n"));
        string[] lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (string line in lines)
            Assert.That(Format().IsMatch(line), Is.True, line);
        string[] types = [.. lines.Where(line => line.StartsWith("# TYPE ", StringComparison.Ordinal))];
        Assert.That(types.Select(line => line.Split(' ')[2]), Is.Unique);
        Assert.That(Value(lines, "pdengine_requests_total{"), Is.AtLeast(2));
        Assert.That(Value(lines, "pdengine_output_tokens_total{"), Is.AtLeast(8));
        Assert.That(Value(lines, "pdengine_http_answers_total{status=\"400\"}"), Is.EqualTo(1));
        Assert.That(Value(lines, "pdengine_time_to_first_token_seconds_count{"), Is.AtLeast(2));
        Assert.That(Value(lines, "pdengine_requests_live{"), Is.Zero);
        Assert.That(lines, Has.Some.StartsWith("pdengine_worker_alive{"));
        string[] buckets = [.. lines.Where(line => line.StartsWith(
            "pdengine_request_duration_seconds_bucket", StringComparison.Ordinal))];
        Assert.That(buckets.Select(line => double.Parse(line.Split(' ')[^1])), Is.Ordered);
    }

    private static double Value(string[] lines, string start) => lines
        .Where(line => line.StartsWith(start, StringComparison.Ordinal))
        .Sum(line => double.Parse(line.Split(' ')[^1]));

    [GeneratedRegex("""
        ^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+(\{[a-zA-Z_]+="[^"\n]*"(,[a-zA-Z_]+="[^"\n]*")*\})? -?[0-9.eE+-]+)$
        """)]
    private static partial Regex Format();
}
