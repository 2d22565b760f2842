using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace PdEngine.Tests;

/// <summary>
/// The published file, run where there is nothing else: no .NET, no ICU, no OpenSSL, no environment, no
/// folder to write to.
/// </summary>
[Category("Publish"), NonParallelizable]
public sealed partial class PublishedFileTests
{
    private const long MostBytes = 64_000_000;
    private static readonly Version OldestGlibc = new(2, 35);
    private PublishedFile _file = null!;

    [OneTimeSetUp]
    public void Publish() => _file = new();

    [OneTimeTearDown]
    public void Remove() => _file?.Dispose();

    [Test]
    public void It_is_one_file_of_a_bounded_size()
    {
        Assert.That(_file.Others, Is.Empty);
        Assert.That(new FileInfo(_file.Path).Length, Is.LessThanOrEqualTo(MostBytes));
    }

    [Test]
    public async Task It_generates_and_scores()
    {
        PdEngineRun run = await _file.RunAsync(
            "generate", "12+7=", "--temperature", "0", "--max-total-tokens", "4096");
        Assert.That((run.ExitCode, run.Out), Is.EqualTo((0, "19\n")), run.Error);
        PdEngineRun score = await _file.RunAsync("score", "12+7=19", "--max-total-tokens", "4096");
        Assert.That(score.ExitCode, Is.Zero, score.Error);
    }

    [Test]
    public async Task It_plays_rollouts()
    {
        PdEngineRun run = await _file.RunAsync("rollout");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Out, Does.Contain("maximum |score - rollout| = 0 over"));
    }

    [Test]
    public async Task Its_kernels_are_loaded_from_memory()
    {
        PdEngineRun run = await _file.RunAsync("doctor", "--quick", "--json");
        JsonElement said = PdEngineRun.Json(run.Out);
        Assert.That(run.ExitCode, Is.EqualTo(CpuIsaSupport.WhyNot(CpuIsa.Auto) is null ? 0 : 1), run.Out);
        Assert.That(said.GetProperty("host").GetProperty("kernels").GetString(),
            Is.EqualTo("inside the binary"));
    }

    [Test]
    public async Task Every_verb_shows_its_help()
    {
        PdEngineRun all = await _file.RunAsync("--help");
        string[] verbs = ["generate", "score", "rollout", "serve", "bench", "topology", "doctor"];
        foreach (string verb in verbs)
        {
            Assert.That(all.Out, Does.Contain(verb));
            PdEngineRun run = await _file.RunAsync(verb, "--help");
            Assert.That(run.ExitCode, Is.Zero, run.Error);
        }
        PdEngineRun bench = await _file.RunAsync("bench", "step", "--help");
        Assert.That(bench.ExitCode, Is.Zero, bench.Error);
    }

    [TestCase(false)]
    [TestCase(true)]
    public async Task It_sends_spans_and_metrics(bool speaksGrpc)
    {
        await using OtlpCollector collector = await OtlpCollector.StartAsync(speaksGrpc);
        using Process server = _file.Start("serve", "--port", "0", "--max-total-tokens", "4096",
            "--otlp-endpoint", $"{collector.Address}", "--otlp-protocol", speaksGrpc ? "grpc" : "http");
        Task<string> error = server.StandardError.ReadToEndAsync();
        string line = await server.StandardOutput.ReadLineAsync() ?? await error;
        Match address = Address().Match(line);
        Assert.That(address.Success, Is.True, line);
        using HttpClient client = new() { BaseAddress = new(address.Value) };
        using HttpResponseMessage answer = await client.PostAsync("/generate", HttpRig.Json(
            """{"text":"12+7=","sampling_params":{"temperature":0,"max_new_tokens":4}}"""));
        Assert.That(answer.IsSuccessStatusCode, Is.True);
        using (Process kill = Process.Start("kill", ["-TERM", $"{server.Id}"]))
            kill.WaitForExit();
        await PdEngineRun.WaitAsync(server);
        string[] names = [.. collector.Spans.Select(span => span.Name)];
        Assert.That(names, Has.Some.StartsWith("text_completion "), await error);
        Assert.That(names, Has.Member("prefill"));
        Assert.That(collector.Metrics.Select(metric => metric.Name), Has.Member("pdengine.output_tokens"));
        Assert.That(collector.Resources, Is.EqualTo(new[] { "pdengine" }));
    }

    [Test]
    public async Task It_serves_and_ends_when_told()
    {
        using Process server = _file.Start("serve", "--port", "0", "--max-total-tokens", "4096");
        Task<string> error = server.StandardError.ReadToEndAsync();
        string line = await server.StandardOutput.ReadLineAsync() ?? await error;
        Match address = Address().Match(line);
        Assert.That(address.Success, line);
        using HttpClient client = new() { BaseAddress = new(address.Value) };
        Assert.That((await client.GetAsync("/health")).IsSuccessStatusCode);
        using StringContent question = new(
            """{"text": "12+7=", "sampling_params": {"temperature": 0, "max_new_tokens": 2}}""",
            System.Text.Encoding.UTF8, "application/json");
        HttpResponseMessage answer = await client.PostAsync("/generate", question);
        Assert.That(answer.IsSuccessStatusCode, await answer.Content.ReadAsStringAsync());
        string page = await client.GetStringAsync("/");
        MatchCollection parts = PagePart().Matches(page);
        Assert.That(parts, Has.Count.AtLeast(3), page);
        foreach (Match part in parts)
            Assert.That((await client.GetAsync(part.Value)).IsSuccessStatusCode, part.Value);
        Assert.That(await client.GetStringAsync("/page/state"), Does.Contain("\"ended_count\":1"));
        PublishedFile.Run("kill", "-TERM", $"{server.Id}");
        await PdEngineRun.WaitAsync(server);
        Assert.That(server.ExitCode, Is.Zero, await error);
    }

    [Test]
    public void Native_code_needs_no_newer_system_than_is_promised()
    {
        string kernels = Path.Combine(TestFiles.Root, "artifacts", "native", "libpd_cpu.so");
        foreach (string file in (string[])[kernels, _file.Path])
        {
            PdEngineRun dump = PublishedFile.Run("objdump", "-T", file);
            Version? newest = Glibc().Matches(dump.Out).Max(match => Version.Parse(match.Groups[1].Value));
            Assert.That(newest, Is.Not.Null, dump.Error);
            Assert.That(newest, Is.LessThanOrEqualTo(OldestGlibc), file);
        }
        Assert.That(PublishedFile.Run("ldd", kernels).Out,
            Does.Not.Contain("libstdc++").And.Not.Contain("libgcc"));
    }

    [GeneratedRegex(@"GLIBC_(\d+\.\d+(\.\d+)?)")]
    private static partial Regex Glibc();

    [GeneratedRegex("/page/[0-9a-f]{16}/[a-z.]+")]
    private static partial Regex PagePart();

    [GeneratedRegex(@"http://[\d.:]+")]
    private static partial Regex Address();
}
