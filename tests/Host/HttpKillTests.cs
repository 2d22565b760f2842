using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary><c>pdengine serve</c> killed in the middle of its work.</summary>
public sealed class HttpKillTests
{
    private const string Ask =
        """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":8,"temperature":0}}""";

    private const string Long =
        """{"input_ids":[5],"stream":true,"sampling_params":{"max_new_tokens":1900,"ignore_eos":true}}""";

    [Test]
    public async Task It_comes_back_on_the_same_port_at_once_and_leaves_nothing_behind()
    {
        int port = FreePort();
        // Short, as the names of sockets have to be.
        string temp = Directory.CreateTempSubdirectory("pdk").FullName;
        string[] shared = SharedMemory();
        string first = "";
        for (int round = 0; round < 3; round++)
        {
            using Process process = Start(port, temp);
            Task<string> error = process.StandardError.ReadToEndAsync();
            string? line = await process.StandardOutput.ReadLineAsync();
            Assert.That(line, Is.EqualTo($"listening on http://127.0.0.1:{port}"),
                line is null ? await error : "");
            using HttpClient client = new() { BaseAddress = new($"http://127.0.0.1:{port}") };
            Assert.That(await client.GetStringAsync("/health_generate"), Is.EqualTo("OK"));
            using HttpResponseMessage answer = await client.PostAsync("/generate", HttpRig.Json(Ask));
            string ids = PdEngineRun.Json(await answer.Content.ReadAsStringAsync())
                .GetProperty("output_ids").GetRawText();
            first = round == 0 ? ids : first;
            Assert.That(ids, Is.EqualTo(first));
            Stream[] running = await BeginAsync(client, 16);
            process.Kill();
            await PdEngineRun.WaitAsync(process);
            foreach (Stream stream in running)
                Assert.CatchAsync<IOException>(() => stream.CopyToAsync(Stream.Null));
        }
        Assert.That(SharedMemory(), Is.EqualTo(shared));
        // .NET's own diagnostics make a socket and a pipe each run, and a killed process cannot remove them.
        string[] left = [.. Directory.GetFileSystemEntries(temp).Select(Path.GetFileName).OfType<string>()
            .Where(name => !name.StartsWith("dotnet-diagnostic-", StringComparison.Ordinal)
                && !name.StartsWith("clr-debug-pipe-", StringComparison.Ordinal))];
        Assert.That(left, Is.Empty);
        Directory.Delete(temp, recursive: true);
    }

    /// <summary>Streams of which some has come; they begin together, so that none ends before the last is
    /// there.</summary>
    private static async Task<Stream[]> BeginAsync(HttpClient client, int count)
    {
        using HttpResponseMessage paused =
            await client.PostAsync("/pause_generation", HttpRig.Json("""{"mode":"retract"}"""));
        Task<Stream>[] streams = [.. Enumerable.Range(0, count).Select(_ => BeginAsync(client))];
        await Assert.ThatAsync(async () => PdEngineRun.Json(await client.GetStringAsync("/get_load"))[0]
            .GetProperty("num_reqs").GetInt32(), Is.EqualTo(count).After(60_000, 2));
        using HttpResponseMessage running =
            await client.PostAsync("/continue_generation", HttpRig.Json("{}"));
        return await Task.WhenAll(streams);
    }

    /// <summary>A stream of which some has come.</summary>
    private static async Task<Stream> BeginAsync(HttpClient client)
    {
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate") { Content = HttpRig.Json(Long) };
        HttpResponseMessage answer =
            await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Stream stream = await answer.Content.ReadAsStreamAsync();
        await stream.ReadExactlyAsync(new byte[1]);
        return stream;
    }

    private static Process Start(int port, string temp)
    {
        ProcessStartInfo start = new(Path.Combine(AppContext.BaseDirectory, "PdEngine.Host"),
            PdEngineRun.Tiny("serve", "--port", $"{port}", "--backend", "reference"))
        {
            RedirectStandardOutput = true, RedirectStandardError = true,
        };
        start.Environment["TMPDIR"] = temp;
        return Process.Start(start)!;
    }

    /// <summary>Below those that the system gives to connections, which could take it meanwhile.</summary>
    private static int FreePort()
    {
        for (int port = 20_000 + (Environment.ProcessId % 5000);; port++)
        {
            using TcpListener listener = new(IPAddress.Loopback, port);
            try
            {
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Somebody listens there.
            }
        }
    }

    private static string[] SharedMemory() => Directory.Exists("/dev/shm")
        ? [.. Directory.GetFileSystemEntries("/dev/shm", "*pd*").Order(StringComparer.Ordinal)] : [];
}
