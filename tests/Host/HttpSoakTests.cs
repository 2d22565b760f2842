using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>
/// A thousand clients at once for a while: most stream, some leave, some read a byte a second, some send
/// what is no JSON or too long.
/// </summary>
public sealed class HttpSoakTests
{
    private const int Clients = 1000, Bodies = 256, MostBodyBytes = 32 << 10;

    [Test]
    public Task A_thousand_clients_for_ten_seconds() =>
        RunAsync(TimeSpan.FromSeconds(10), checksMemory: false);

    [Test]
    [Explicit("a minute")]
    [Category("Soak")]
    public Task A_thousand_clients_for_a_minute() => RunAsync(TimeSpan.FromSeconds(60), checksMemory: true);

    private static async Task RunAsync(TimeSpan time, bool checksMemory)
    {
        const int seed = 21;
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { MaxBodyBytes = MostBodyBytes },
            folder: Path.Combine(TestFiles.Root, "models", "pd-tiny"));
        Random random = new(seed);
        string[] bodies = [.. Enumerable.Range(0, Bodies).Select(index => Body(index, random))];
        string[] alone = new string[Bodies];
        for (int i = 0; i < Bodies; i++)
            alone[i] = Ids(await rig.PostAsync("/generate", bodies[i] + "}"));
        Stopwatch watch = Stopwatch.StartNew();
        using CancellationTokenSource end = new(time);
        Task<int>[] clients = [.. Enumerable.Range(0, Clients).Select(index => index % 50 == 0
            ? CrawlAsync(rig, bodies[index % Bodies], end.Token)
            : LoopAsync(rig, bodies, alone, new Random(seed + index), end.Token))];
        await UntilAsync(0.25);
        // The first time it finds the heap lower than it ever is again: that is not growth.
        await ResidentBytesAsync();
        await UntilAsync(0.5);
        long half = await ResidentBytesAsync();
        await UntilAsync(0.9);
        long grown = await ResidentBytesAsync() - half;
        await Task.WhenAll(clients);
        int answers = clients.Sum(client => client.Result);
        TestContext.Progress.WriteLine($"seed {seed}: {Clients} clients, {answers} answers in "
            + $"{watch.Elapsed.TotalSeconds:F1} s, resident memory grew {100.0 * grown / half:F1}%");
        Assert.That(answers, Is.GreaterThan(Clients));
        if (checksMemory)
            Assert.That(grown, Is.LessThanOrEqualTo(half / 50), $"of {half} bytes");
        await rig.IsIdleAsync();
        await rig.PostAsync("/flush_cache", "{}");
        Assert.That(() => rig.Model.Metrics.FreeBlocks,
            Is.EqualTo(rig.Model.Metrics.TotalBlocks).After(60_000, 10));
        Assert.That(() => rig.Server.Live.Count, Is.Zero.After(60_000, 10));
        Assert.That(rig.Log.ToString(), Does.Not.Contain("\"fault\""));
        rig.Client.Dispose();
        Assert.That(() => Connections(rig.Server.Address.Port), Is.Zero.After(60_000, 50));

        Task UntilAsync(double part) => Task.Delay(
            time * part > watch.Elapsed ? (time * part) - watch.Elapsed : TimeSpan.Zero);
    }

    private static async Task<int> LoopAsync(
        HttpRig rig, string[] bodies, string[] alone, Random random, CancellationToken end)
    {
        int answers = 0;
        // However slow the machine is, they meet more than once.
        while (answers < 2 || !end.IsCancellationRequested)
        {
            int index = random.Next(bodies.Length);
            switch (random.Next(20))
            {
                case 0:
                    await rig.RefusedAsync("/generate", bodies[index] + ",]");
                    break;
                case 1:
                    string padding = new('a', MostBodyBytes);
                    string tooLong = $"{bodies[index]},\"extra_key\":\"{padding}\"}}";
                    await rig.RefusedAsync("/generate", tooLong, 413);
                    break;
                case 2 or 3:
                    await LeaveAsync(rig, bodies[index] + ",\"stream\":true}", random.Next(1, 400));
                    break;
                default:
                    List<JsonElement> events = await rig.StreamAsync(
                        "/generate", bodies[index] + ",\"stream\":true}");
                    Assert.That(Ids(events[^1]), Is.EqualTo(alone[index]));
                    break;
            }
            answers++;
        }
        return answers;
    }

    /// <summary>Reads a byte a second.</summary>
    private static async Task<int> CrawlAsync(HttpRig rig, string body, CancellationToken end)
    {
        using Socket client = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 2048 };
        await client.ConnectAsync(IPAddress.Loopback, rig.Server.Address.Port, CancellationToken.None);
        string sent = body + ",\"stream\":true}";
        await client.SendAsync(Encoding.ASCII.GetBytes("POST /generate HTTP/1.1\r\nHost: localhost\r\n"
            + $"Content-Type: application/json\r\nContent-Length: {sent.Length}\r\n\r\n{sent}"));
        byte[] one = new byte[1];
        try
        {
            while (true)
            {
                await client.ReceiveAsync(one, end);
                await Task.Delay(1000, end);
            }
        }
        catch (OperationCanceledException)
        {
            return 1;
        }
    }

    private static async Task LeaveAsync(HttpRig rig, string body, int bytes)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate") { Content = HttpRig.Json(body) };
        using HttpResponseMessage response =
            await rig.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        await (await response.Content.ReadAsStreamAsync()).ReadAtLeastAsync(
            new byte[bytes], bytes, throwOnEndOfStream: false);
    }

    private static string Body(int index, Random random)
    {
        int[] prompt = [.. Enumerable.Range(0, random.Next(1, 100)).Select(_ => random.Next(4, 100))];
        string logProbs = index % 4 == 0 ? ",\"return_logprob\":true" : "";
        return $$"""
            {"input_ids":[{{string.Join(',', prompt)}}]{{logProbs}},"incremental_streaming_output":false,
            "sampling_params":{"max_new_tokens":{{random.Next(1, 129)}},"sampling_seed":{{index}}}
            """.ReplaceLineEndings("");
    }

    /// <summary>The least of some moments, under load, each with garbage given back to the system.</summary>
    private static async Task<long> ResidentBytesAsync()
    {
        long least = long.MaxValue;
        for (int i = 0; i < 5; i++)
        {
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            using Process self = Process.GetCurrentProcess();
            least = Math.Min(least, self.WorkingSet64);
            await Task.Delay(50);
        }
        return least;
    }

    /// <summary>Established connections to a port of this machine, server's ends.</summary>
    private static int Connections(int port)
    {
        string local = port.ToString("X4", CultureInfo.InvariantCulture);
        return File.ReadLines("/proc/net/tcp").Skip(1).Select(
                line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Count(words => words[1].EndsWith($":{local}", StringComparison.Ordinal) && words[3] == "01");
    }

    private static string Ids(JsonElement answer) => answer.GetProperty("output_ids").GetRawText();
}
