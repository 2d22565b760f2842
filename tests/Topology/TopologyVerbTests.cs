using System.Text.Json;
using PdEngine.Host;
using Spectre.Console;

namespace PdEngine.Tests;

/// <summary>The verb: flags to plan, exit codes, what is printed where.</summary>
[NonParallelizable]
public sealed class TopologyVerbTests
{
    private string _file = "";

    [SetUp]
    public void WriteFile()
    {
        _file = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"plan-{Guid.NewGuid():N}.yaml");
        File.WriteAllText(_file, Plans.Slime);
    }

    [TearDown]
    public void RemoveFile() => File.Delete(_file);

    [TestCase("FILE")]
    [TestCase("FILE --rollout-num-gpus 16 --hf-checkpoint /no/such/checkpoint")]
    [TestCase("--sglang-config FILE --router-policy consistent_hashing --prefill-policy random")]
    [TestCase("--sglang-router-policy round_robin --decode-policy bucket FILE")]
    [TestCase("--sglang-disable-radix-cache FILE")]
    [TestCase("--sglang-disable-radix-cache=false FILE")]
    [TestCase("--sglang-page-size 32 --sglang-kv-cache-dtype auto FILE")]
    [TestCase("--sglang-chunked-prefill-size -1 FILE")]
    [TestCase("FILE --sglang-cuda-graph-bs 1 2 4")]
    [TestCase("--sglang-quantization fp8 FILE")]
    [TestCase("FILE --sglang-server-concurrency 8 --sglang-router-request-timeout-secs 60")]
    [TestCase("FILE --service actor")]
    [TestCase("--sglang-tensor-parallel-size 1")]
    [TestCase("--sglang-data-parallel-size 2 --sglang-pipeline-parallel-size 2 "
        + "--sglang-expert-parallel-size 4 --sglang-enable-dp-attention --rollout-num-gpus-per-engine 4")]
    [TestCase("--prefill-num-servers 1")]
    [TestCase("--prefill-num-servers 1 --rollout-num-gpus 4 --rollout-num-gpus-per-engine 2 --json")]
    [TestCase("")]
    public async Task A_good_command_line_ends_with_zero(string line) =>
        Assert.That((await RunAsync(line)).Code, Is.EqualTo(CommandLine.Done));

    [TestCase("FILE --rollout-num-gpus 15", "16")]
    [TestCase("FILE --prefill-num-servers 1", "--prefill-num-servers")]
    [TestCase("FILE --sglang-config FILE", "--sglang-config")]
    [TestCase("FILE FILE", "2 files")]
    [TestCase("FILE --sglang-page-sise 16", "did you mean '--sglang-page-size'")]
    [TestCase("FILE --sglang-page-size 17", "--sglang-page-size")]
    [TestCase("FILE --eval-num-gpus 4", "--eval-num-gpus: refused")]
    [TestCase("--rollout-external FILE", "--rollout-external: refused")]
    [TestCase("FILE --update-weight-mode=delta", "--update-weight-mode: refused")]
    [TestCase("FILE --sglang-port 3000", "--sglang-port: refused")]
    [TestCase("FILE --colocate", "--colocate: refused")]
    [TestCase("FILE --router-policy fastest", "--router-policy")]
    [TestCase("--prefill-num-servers two", "two")]
    [TestCase("absent.yaml", "absent.yaml")]
    [TestCase("FILE --service judge", "there are actor")]
    [TestCase("FILE --sglang-tp-size 1", "tp_size 1")]
    [TestCase("--rollout-num-gpus-per-engine 3", "1, 2 or 4")]
    public async Task A_bad_command_line_ends_with_two_and_says_why(string line, string words)
    {
        (int code, string error) = await RunAsync(line);
        Assert.That(code, Is.EqualTo(CommandLine.BadInput), error);
        Assert.That(error, Does.Contain(words));
    }

    [Test]
    public async Task A_fault_of_the_file_names_file_and_line()
    {
        await File.WriteAllTextAsync(_file, Plans.Override("page_sise: 3"));
        (int code, string error) = await RunAsync("FILE");
        Assert.That(code, Is.EqualTo(CommandLine.BadInput));
        Assert.That(error, Does.Contain($"{_file}:7: ").And.Contain("did you mean 'page_size'"));
    }

    [Test]
    public void The_json_holds_the_whole_plan()
    {
        using MemoryStream output = new();
        TopologyReport.WriteJson(output, Plans.Of(Plans.Slime, new TopologyFlags
        {
            CoreCount = 1, Overrides = new Dictionary<string, string> { ["quantization"] = "fp8" },
        }));
        using JsonDocument json = JsonDocument.Parse(output.ToArray());
        JsonElement root = json.RootElement;
        Assert.That(root.GetProperty("num_gpus").GetInt32(), Is.EqualTo(16));
        Assert.That(root.GetProperty("hf_checkpoint").GetString(), Is.EqualTo("(none given)"));
        Assert.That(root.GetProperty("not_yet").GetArrayLength(), Is.EqualTo(2));
        Assert.That(root.GetProperty("warnings").GetArrayLength(), Is.EqualTo(1));
        JsonElement decode = root.GetProperty("services")[0].GetProperty("server_groups")[1];
        Assert.That(decode.GetProperty("worker_type").GetString(), Is.EqualTo("decode"));
        Assert.That(decode.GetProperty("overrides").GetProperty("mem_fraction_static").GetDouble(),
            Is.EqualTo(0.88));
        Assert.That(decode.GetProperty("engines")[1].GetProperty("devices").EnumerateArray()
            .Select(device => device.GetInt32()), Is.EqualTo(new[] { 8, 9, 10, 11 }));
    }

    [Test]
    public async Task A_service_is_listed_alone()
    {
        await File.WriteAllTextAsync(_file, """
            sglang:
              - {name: actor, server_groups: [{worker_type: regular, num_gpus: 2}]}
              - {name: judge, server_groups: [{worker_type: encoder, num_gpus: 1}]}
            """);
        PdEngineRun all = await PdEngineRun.HereAsync("topology", _file);
        Assert.That(all.Out, Does.Contain("judge").And.Contain("encoder workers")
            .And.Contain("actor is served where --service names no other"));
        PdEngineRun one = await PdEngineRun.HereAsync("topology", _file, "--service", "actor");
        Assert.That(one.ExitCode, Is.Zero, one.Error);
        Assert.That(one.Out, Does.Contain("actor").And.Contain("3 devices").And.Not.Contain("judge"));
    }

    [Test]
    public void The_table_shows_every_group_and_what_is_not_yet()
    {
        StringWriter text = new();
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No, Out = new AnsiConsoleOutput(text),
        });
        console.Profile.Width = 200;
        TopologyReport.Print(console, Plans.Of(Plans.Model("encoder", 2, "overrides:",
            "  quantization: '[fp8]'")));
        Assert.That(text.ToString(), Does.Contain("encoder").And.Contain("not yet: encoder workers")
            .And.Contain("quantization: [fp8]").And.Contain("(none given)"));
    }

    private async Task<(int Code, string Error)> RunAsync(string line)
    {
        TextWriter before = Console.Error;
        using StringWriter error = new();
        Console.SetError(error);
        try
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            int code = await CommandLine.RunAsync(
                ["topology", .. words.Select(word => word == "FILE" ? _file : word)]);
            return (code, error.ToString());
        }
        finally
        {
            Console.SetError(before);
        }
    }
}
