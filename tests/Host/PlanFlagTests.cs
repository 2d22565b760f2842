using System.CommandLine;
using System.Text;
using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>The flags of a topology on verbs that load weights.</summary>
[NonParallelizable]
public sealed class PlanFlagTests
{
    private string _file = "";

    [SetUp]
    public void WriteFile()
    {
        _file = Path.Combine(TestContext.CurrentContext.WorkDirectory, $"plan-{Guid.NewGuid():N}.yaml");
        File.WriteAllText(_file, """
            sglang:
              - name: actor
                server_groups:
                  - worker_type: prefill
                    num_gpus: 1
                    overrides: {chunked_prefill_size: 128}
                  - worker_type: decode
                    num_gpus: 3
              - name: judge
                model_path: /of/judge
                server_groups:
                  - {worker_type: regular, num_gpus: 1}
            """);
    }

    [TearDown]
    public void RemoveFile() => File.Delete(_file);

    [Test]
    public void No_flag_of_a_topology_is_the_engine_as_it_was()
    {
        EngineOptions options = Read("");
        Assert.That(options.Topology, Is.Null);
        Assert.That(options.Services, Is.Empty);
        Assert.That((options.Disaggregate, options.KvDomain, options.LendsCores),
            Is.EqualTo((DisaggregateMode.Auto, KvDomainKind.Host, true)));
        options = Read("--disaggregate never --kv-domain device --no-lend-cores");
        Assert.That(options.Topology, Is.Null);
        Assert.That((options.Disaggregate, options.KvDomain, options.LendsCores),
            Is.EqualTo((DisaggregateMode.Never, KvDomainKind.Device, false)));
    }

    [TestCase("--sglang-config FILE", 5)]
    [TestCase("--prefill-num-servers 1", 6)]
    [TestCase("--rollout-num-gpus 2", 2)]
    [TestCase("--rollout-num-gpus-per-engine 2", 2)]
    [TestCase("--router-policy random", 1)]
    [TestCase("--sglang-router-policy manual", 1)]
    [TestCase("--prefill-policy bucket", 1)]
    [TestCase("--decode-policy prefix_hash", 1)]
    [TestCase("--sglang-server-concurrency 4", 1)]
    [TestCase("--sglang-router-request-timeout-secs 9", 1)]
    [TestCase("--sglang-page-size 16", 1)]
    [TestCase("--service default", 1)]
    public void Each_flag_of_a_topology_makes_a_plan(string line, int devices)
    {
        Topology plan = Read(line).Topology!;
        Assert.That(plan.DeviceCount, Is.EqualTo(devices));
    }

    [TestCase("--disaggregate always --kv-domain device --no-lend-cores", 0, "")]
    [TestCase("--disaggregate maybe", 2, "auto, always, never")]
    [TestCase("--kv-domain moon", 2, "host, device")]
    [TestCase("--service judge --disaggregate always", 2, "no prefill workers")]
    public async Task How_a_plan_is_run_can_be_checked_with_it(string line, int exitCode, string error)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(["topology", _file, .. line.Split(' ')]);
        Assert.That(run.ExitCode, Is.EqualTo(exitCode), run.Error);
        Assert.That(run.Error, Does.Contain(error));
    }

    [Test]
    public void A_plan_arrives_with_its_service_and_how_it_is_run()
    {
        EngineOptions options = Read("--sglang-config FILE --disaggregate always --kv-domain device "
            + "--router-policy round_robin --decode-policy manual --sglang-max-running-requests 7");
        Assert.That(options.Services, Is.EqualTo(new[] { "actor" }));
        Assert.That((options.Disaggregate, options.KvDomain, options.LendsCores),
            Is.EqualTo((DisaggregateMode.Always, KvDomainKind.Device, true)));
        Topology plan = options.Topology!;
        Assert.That((plan.PrefillPolicy, plan.DecodePolicy),
            Is.EqualTo((RouterPolicy.RoundRobin, RouterPolicy.Manual)));
        Assert.That(plan.Models[0].Groups.Select(group => group.Settings.MaxRunningRequests),
            Is.All.EqualTo(7));
        Assert.That(plan.Models.Select(model => model.ModelPath), Is.EqualTo(new[] { "/ckpt", "/of/judge" }));
        Assert.That(Read("--sglang-config FILE --service judge").Services, Is.EqualTo(new[] { "judge" }));
    }

    [TestCase("--disaggregate sometimes", "--disaggregate", "auto, always, never")]
    [TestCase("--kv-domain gpu", "--kv-domain", "host, device")]
    [TestCase("--disaggregate always", "--disaggregate", "no prefill workers")]
    [TestCase("--disaggregate always --rollout-num-gpus 2", "--disaggregate", "no prefill workers")]
    [TestCase("--disaggregate always --sglang-config FILE --service judge", "--disaggregate", "no prefill")]
    [TestCase("--sglang-config FILE --service ref", "--service", "actor, judge")]
    [TestCase("--prefill-num-servers 1 --sglang-config FILE", "--prefill-num-servers", "--sglang-config")]
    [TestCase("--sglang-config FILE --rollout-num-gpus 4", "", "add up to 5", "is 4")]
    [TestCase("--sglang-config absent.yaml", "absent.yaml")]
    [TestCase("--sglang-quantization fp8", "--sglang-quantization", "not there yet")]
    [TestCase("--rollout-num-gpus 3 --rollout-num-gpus-per-engine 3", "tp_size 3", "1, 2 or 4")]
    [TestCase("--rollout-num-gpus 0", "router alone")]
    [TestCase("--eval-num-gpus 1", "--eval-num-gpus: refused", "evaluation")]
    [TestCase("--rollout-external", "--rollout-external: refused", "external")]
    [TestCase("--update-weight-mode=delta", "--update-weight-mode: refused", "transport")]
    [TestCase("--sglang-port 3000", "--sglang-port: refused", "port")]
    [TestCase("--colocate", "--colocate: refused", "trainer")]
    [TestCase("--prefil-num-servers 1", "did you mean '--prefill-num-servers'")]
    [TestCase("--sglang-pagesize 1", "did you mean '--sglang-page-size'")]
    [TestCase("--sglang-model-path x", "--hf-checkpoint")]
    public async Task A_bad_plan_is_refused_before_a_checkpoint_is_opened(string line, params string[] parts)
    {
        foreach (string verb in new[] { "generate", "score" })
        {
            PdEngineRun run = await PdEngineRun.HereAsync(
                [verb, "x", "--model", "/no/such/checkpoint", .. Words(line)]);
            run.AssertRefused(parts);
        }
    }

    [Test]
    public async Task A_file_that_asks_for_more_is_refused_with_every_line_and_its_speed_ups_are_noticed()
    {
        string text = await File.ReadAllTextAsync(_file);
        await File.WriteAllTextAsync(_file, text.Replace("{chunked_prefill_size: 128}",
            "{attention_backend: fa3}", StringComparison.Ordinal));
        PdEngineRun run = await RunAsync("generate", "abc", "--max-new-tokens", "2");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("notice: not there yet, and changes speed only: "
            + "attention_backend: fa3 ('actor' group 0 (prefill), line 6)"));
        await File.WriteAllTextAsync(_file, text.Replace("{chunked_prefill_size: 128}",
            "{quantization: fp8, dtype: half}", StringComparison.Ordinal));
        (await RunAsync("generate", "abc")).AssertRefused($"{_file}:6: ", "quantization: fp8", "dtype: half");
    }

    [Test]
    public void Without_any_checkpoint_the_service_has_the_model_of_the_command() =>
        Assert.That(Read("--sglang-config FILE --service actor", checkpoint: null)
            .Topology!.Service("actor").ModelPath, Is.EqualTo(DefaultModel.Name));

    [Test]
    public async Task A_run_on_a_plan_says_what_runs_and_where_its_request_went()
    {
        PdEngineRun run = await RunAsync("generate", "abcdef", "--max-new-tokens", "4", "--ignore-eos");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Error, Does.Contain("actor: 1 prefill and 3 decode workers on 4 devices"));
        Assert.That(run.Error,
            Does.Match(@"\n(local|handoff|copy)[^\n]*: [^\n]*; queue [0-9.]+ ms, prefill "));
        PdEngineRun plain = await PdEngineRun.HereAsync(
            PdEngineRun.Tiny("generate", "abcdef", "--max-new-tokens", "4", "--ignore-eos"));
        Assert.That(plain.Out, Is.EqualTo(run.Out));
        Assert.That(plain.Error, Does.Not.Contain("devices").And.Not.Contain("queue"));
        PdEngineRun score = await RunAsync("score", "abcdef");
        PdEngineRun plainScore = await PdEngineRun.HereAsync(PdEngineRun.Tiny("score", "abcdef"));
        Assert.That(score.Out, Is.EqualTo(plainScore.Out));
    }

    [TestCase("--prefill-num-servers 1 --rollout-num-gpus 4 --disaggregate always")]
    [TestCase("--prefill-num-servers 1 --rollout-num-gpus 4 --disaggregate always --kv-domain device")]
    [TestCase("--prefill-num-servers 2 --rollout-num-gpus 4 --disaggregate never --no-lend-cores")]
    [TestCase("--sglang-config FILE --router-policy round_robin")]
    [TestCase("--sglang-config FILE --disaggregate always")]
    [TestCase("--sglang-config FILE --disaggregate always --kv-domain device --no-lend-cores")]
    [TestCase("--rollout-num-gpus 2 --sglang-server-concurrency 1")]
    [TestCase("--rollout-num-gpus 2 --rollout-num-gpus-per-engine 2 --sglang-page-size 4")]
    public async Task A_batch_on_any_plan_answers_digit_for_digit_as_without_one(string line)
    {
        StringBuilder lines = new();
        for (int i = 0; i < 10; i++)
        {
            int length = 3 + (i * 37 % 200);
            string ids = string.Join(',', Enumerable.Range(0, length).Select(at => 3 + ((at * 7) + i) % 250));
            string key = i % 2 == 0 ? "session_id" : "routing_key";
            lines.Append($"{{\"id\":{i},\"input_ids\":[{ids}],\"{key}\":\"k{i % 3}\",\"return_logprob\":true,"
                + "\"logprob_start_len\":0,\"sampling_params\":{\"max_new_tokens\":12,\"n\":2}}\n");
        }
        string expected = await AnswersAsync();
        Assert.That(await AnswersAsync(Words(line)), Is.EqualTo(expected));

        async Task<string> AnswersAsync(params string[] flags)
        {
            (int exitCode, JsonElement[] answers, string error) =
                await PdEngineRun.BatchAsync(lines.ToString(), flags);
            Assert.That(exitCode, Is.Zero, error);
            Assert.That(error.Contains("pd_path", StringComparison.Ordinal), Is.EqualTo(flags.Length > 0));
            return string.Join('\n', answers.SelectMany(answer => answer.EnumerateArray()).Select(sample =>
            {
                JsonElement meta = sample.GetProperty("meta_info");
                if (flags.Contains("always") && meta.GetProperty("completion_tokens").GetInt32() > 1)
                {
                    Assert.That(meta.GetProperty("pd_path").GetString(),
                        Is.EqualTo(flags.Contains("device") ? "copy" : "handoff"));
                }
                return $"{meta.GetProperty("id")} {sample.GetProperty("text").GetRawText()} "
                    + $"{sample.GetProperty("output_ids")} {meta.GetProperty("finish_reason")} "
                    + $"{meta.GetProperty("output_token_logprobs")} "
                    + $"{meta.GetProperty("input_token_logprobs")}";
            }));
        }
    }

    [TestCase("generate --help")]
    [TestCase("score --help")]
    [TestCase("topology --help")]
    public async Task Help_names_the_flags_of_a_topology(string line)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(line.Split(' '));
        Assert.That(run.Out, Does.Contain("--sglang-config").And.Contain("--prefill-num-servers")
            .And.Contain("--sglang-NAME").And.Not.Contain("--sglang-page-size"));
    }

    private Task<PdEngineRun> RunAsync(params string[] arguments) =>
        PdEngineRun.HereAsync(PdEngineRun.Tiny([.. arguments, "--sglang-config", _file]));

    private string[] Words(string line) => [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries)
        .Select(word => word == "FILE" ? _file : word)];

    private EngineOptions Read(string line, string? checkpoint = "/ckpt")
    {
        PlanFlags flags = new();
        Command verb = new("verb");
        flags.AddTo(verb);
        ParseResult parsed = verb.Parse(Words(line));
        Assert.That(parsed.Errors, Is.Empty);
        EngineOptions options = new() { ModelPath = "m" };
        return flags.Join(parsed, options, flags.Resolve(parsed, checkpoint, coreCount: 6, seed: 0));
    }
}
