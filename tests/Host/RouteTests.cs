using System.Text.Json;
using PdEngine.Host;
using Spectre.Console;

namespace PdEngine.Tests;

/// <summary>How answers tell where their request went.</summary>
public sealed class RouteTests
{
    private static readonly PhaseTimings Times = new()
    {
        PrefillQueueNs = 1_500_000, PrefillForwardNs = 2_000_000_000, TransferQueueNs = 3_000_000,
        DecodeAllocWaitNs = 4_000_000, DecodeTransferNs = 500_000_000, DecodeForwardNs = 6_000_000_000,
    };

    [Test]
    public void A_hand_off_names_both_workers_and_what_moved() =>
        Assert.That(RouteText.Of(Went(PdPath.Handoff, "prompt of 2048 tokens", "prefill-0", "decode-1")
            with { HandoffBlocks = 32 }), Is.EqualTo("handoff (prompt of 2048 tokens): prefill-0 -> "
            + "decode-1, 32 blocks, 0 bytes; queue 1.50 ms, prefill 2000.00 ms, hand-off 507.00 ms, decode "
            + "6000.00 ms"));

    [Test]
    public void A_copy_after_a_failure_says_so() =>
        Assert.That(RouteText.Of(Went(PdPath.Copy, "always", "prefill-0", "decode-1")
            with { HandoffBlocks = 1, TransferBytes = 4096, FailureCount = 1 }),
            Does.StartWith("copy (always): prefill-0 -> decode-1, 1 block, 4096 bytes; ")
                .And.EndsWith("; 1 worker failure"));

    [TestCase("", "decode-2", "local (short prompt): decode-2; queue")]
    [TestCase("decode-2", "decode-2", "local (short prompt): decode-2; queue")]
    [TestCase("prefill-0", "", "local (short prompt): prefill-0; queue")]
    [TestCase("", "", "local (short prompt): no worker took it up; queue")]
    public void A_local_request_names_its_worker(string prefill, string decode, string start) =>
        Assert.That(RouteText.Of(Went(PdPath.Local, "short prompt", prefill, decode)),
            Does.StartWith(start).And.Not.Contain("hand-off").And.Not.Contain("blocks"));

    [Test]
    public void Meta_info_has_SGLangs_durations_in_seconds_which_sum_to_the_whole()
    {
        JsonElement meta = MetaOf(Went(PdPath.Copy, "always", "prefill-0", "decode-0")
            with { TransferBytes = 3 << 20, FailureCount = 2 });
        string[] names =
        [
            "pd_prefill_bootstrap_queue_duration", "pd_prefill_forward_duration",
            "pd_prefill_transfer_queue_duration", "pd_decode_alloc_wait_duration",
            "pd_decode_transfer_duration", "pd_decode_forward_duration",
        ];
        double[] seconds = [.. names.Select(name => meta.GetProperty(name).GetDouble())];
        Assert.That(seconds, Is.EqualTo(new[] { 0.0015, 2, 0.003, 0.004, 0.5, 6 }));
        Assert.That(seconds.Sum(), Is.EqualTo(Times.TotalNs / 1e9).Within(1e-9));
        Assert.That(meta.GetProperty("pd_path").GetString(), Is.EqualTo("copy"));
        Assert.That(meta.GetProperty("pd_reason").GetString(), Is.EqualTo("always"));
        Assert.That(meta.GetProperty("pd_prefill_retry_count").GetInt32(), Is.EqualTo(2));
        Assert.That(meta.GetProperty("pd_transfer_total_mb").GetDouble(), Is.EqualTo(3));
        Assert.That(meta.GetProperty("pd_transfer_speed_gb_s").GetDouble(),
            Is.EqualTo(3.0 / 1024 / 0.5).Within(1e-12));
    }

    [Test]
    public void Where_no_byte_moved_there_is_no_transfer()
    {
        JsonElement meta = MetaOf(Went(PdPath.Handoff, "always", "prefill-0", "decode-0"));
        Assert.That(meta.GetProperty("pd_path").GetString(), Is.EqualTo("handoff"));
        Assert.That(meta.EnumerateObject().Select(field => field.Name), Has.None.StartsWith("pd_transfer"));
        Assert.That(meta.EnumerateObject().Select(field => field.Name),
            Has.None.EqualTo("pd_prefill_bootstrap_duration").And.None.Contains("prealloc"));
    }

    [Test]
    public void A_tally_counts_workers_in_order_and_reasons_whatever_their_numbers()
    {
        RouteTally tally = new();
        Parallel.For(0, 200, i => tally.Add(Went(PdPath.Handoff, $"prompt of {i} tokens", "prefill-0",
            $"decode-{i % 11}")));
        tally.Add(Went(PdPath.Local, "short prompt", "decode-10", "decode-10"));
        string[] rows = [.. Printed(tally).Split('\n').Select(row => string.Join(' ', row.Split('│',
            StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)))];
        Assert.That(rows.Where(row => row.StartsWith("prefill", StringComparison.Ordinal)
                || row.StartsWith("decode", StringComparison.Ordinal)).Select(row => row.Split(' ')[0]),
            Is.EqualTo(Enumerable.Range(0, 11).Select(i => $"decode-{i}").Prepend("prefill-0")));
        Assert.That(rows, Has.Member("prefill-0 200 600 0").And.Member("decode-0 19 0 38")
            .And.Member("decode-10 19 3 38"));
        Assert.That(rows, Has.Member("handoff prompt of N tokens 200").And.Member("local short prompt 1"));
    }

    private static string Printed(RouteTally tally)
    {
        StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 200;
        tally.Print(console);
        return text.ToString();
    }

    private static JsonElement MetaOf(Generation generation)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter json = new(stream))
            new AnswerWriter(null).Write(json, default, "name", generation, new GenerateRequest(), false);
        using JsonDocument document = JsonDocument.Parse(stream.ToArray());
        return document.RootElement.GetProperty("meta_info").Clone();
    }

    private static Generation Went(PdPath path, string reason, string prefill, string decode) => new()
    {
        Id = new RequestId(1), PromptIds = new[] { 1, 2, 3 }, OutputIds = [4, 5], Text = "",
        FinishReason = FinishReason.Length, OutputLogProbs = [], InputLogProbs = [], PdPath = path,
        PdReason = reason, PrefillWorker = prefill, DecodeWorker = decode, Timings = Times,
    };
}
