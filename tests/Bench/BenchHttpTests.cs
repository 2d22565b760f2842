using System.Text;
using System.Text.Json;
using PdEngine.Bench;

namespace PdEngine.Tests;

/// <summary><c>pdengine bench http</c>.</summary>
public sealed class BenchHttpTests
{
    [Test]
    public async Task Quick_gets_the_same_tokens_in_process_and_by_http()
    {
        (PdEngineRun run, JsonElement[] rows) = await BenchRows.RunAsync(
            "http", "--quick", "--streams", "5", "--requests", "3");
        Assert.That(rows.Select(row => row.GetProperty("row").GetString()),
            Is.EqualTo(new[] { "in-process", "generate", "deltas", "completions" }));
        foreach (JsonElement row in rows)
        {
            Assert.That(BenchRows.Of(row, "tokens"), Is.EqualTo(5 * 3 * 8));
            Assert.That(BenchRows.Of(row, "batch"), Is.EqualTo(5));
            Assert.That(BenchRows.Of(row, "cost"), Is.InRange(
                BenchRows.Of(row, "least_cost"), BenchRows.Of(row, "most_cost")));
            Assert.That(BenchRows.Of(row, "cost"), Is.LessThan(1));
            Assert.That(BenchRows.Of(row, "cpu_us_per_token"), Is.Positive);
            Assert.That(BenchRows.Of(row, "runs"), Is.EqualTo(2));
            // Usage and the end of a stream are events of their own.
            Assert.That(BenchRows.Of(row, "events_per_token"), Is.InRange(1 / 8.0, 1.5));
        }
        Assert.That(BenchRows.Of(rows[0], "cost"), Is.Zero);
        Assert.That(rows.Select(row => BenchRows.Of(row, "bytes_per_token") > 0),
            Is.EqualTo(new[] { false, true, true, true }));
        Assert.That(run.Out, Does.Contain("events/token"));
    }

    [Test]
    public void Events_are_counted_whatever_pieces_they_come_in([Values(1, 2, 7, 40, 1000)] int pieceBytes)
    {
        byte[] answer = Encoding.ASCII.GetBytes(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            + "1d\r\ndata: {\"completion_tokens\":3}\n\r\n"
            + "1e\r\n\ndata: {\"completion_tokens\":4\r\n3\r\n7}\n\r\n"
            + "f\r\n\ndata: [DONE]\n\n\r\n0\r\n\r\n");
        DrainedEvents events = new();
        foreach (byte[] piece in answer.Chunk(pieceBytes))
        {
            Assert.That(events.HasEnded, Is.False);
            events.Add(piece);
        }
        Assert.That(events.HasEnded, Is.True);
        Assert.That(events.Result, Is.EqualTo(new HttpArmRun(47, 3, answer.Length)));
    }

    [Test]
    public void An_answer_that_is_no_stream_is_an_error()
    {
        DrainedEvents events = new();
        events.Add("HTTP/1.1 503 Service Unavailable\r\n\r\n"u8);
        Assert.That(events.HasEnded, Is.True);
        Assert.That(() => events.Result, Throws.TypeOf<BenchException>());
    }

    [TestCase("http --shape huge", "--shape", "'huge'")]
    [TestCase("http --streams 0", "--streams", "1 to 1024")]
    [TestCase("http --arms chat", "--arms", "'chat'", "deltas")]
    public async Task Bad_flags_end_with_one_message_and_exit_code_2(string flags, params string[] parts)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(["bench", .. flags.Split(' '), "--quick"]);
        run.AssertRefused(parts);
    }
}
