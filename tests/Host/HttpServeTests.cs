using System.Diagnostics;
using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>The command <c>pdengine serve</c> itself.</summary>
public sealed class HttpServeTests
{
    [Test]
    public async Task It_says_where_it_listens_and_a_signal_lets_accepted_requests_finish()
    {
        using Process process = PdEngineRun.Start(PdEngineRun.Tiny("serve", "--port", "0"));
        Task<string> error = process.StandardError.ReadToEndAsync();
        string? line = await process.StandardOutput.ReadLineAsync();
        Assert.That(line, Does.StartWith("listening on http://127.0.0.1:"), line is null ? await error : "");
        using HttpClient client = new() { BaseAddress = new(line!["listening on ".Length..]) };
        // The last is to come before the first has ended.
        await PostAsync("/pause_generation", """{"mode":"retract"}""");
        Task<HttpResponseMessage>[] running = [.. Enumerable.Range(0, 16).Select(_ => client.PostAsync(
            "/generate", HttpRig.Json(
                """{"input_ids":[5],"sampling_params":{"max_new_tokens":1500,"ignore_eos":true}}""")))];
        await Assert.ThatAsync(async () => PdEngineRun.Json(await client.GetStringAsync("/get_load"))[0]
            .GetProperty("num_reqs").GetInt32(), Is.EqualTo(16).After(60_000, 2));
        await PostAsync("/continue_generation", "{}");
        Terminate(process);
        foreach (HttpResponseMessage answer in await Task.WhenAll(running))
        {
            JsonElement made = PdEngineRun.Json(await answer.Content.ReadAsStringAsync());
            Assert.That(made.GetProperty("output_ids").GetArrayLength(), Is.EqualTo(1500));
            answer.Dispose();
        }
        await PdEngineRun.WaitAsync(process);
        Assert.That(process.ExitCode, Is.Zero, await error);
        Assert.That(await process.StandardOutput.ReadToEndAsync(), Is.Empty);
        Assert.That(await error, Does.Not.Contain("   at "));

        async Task PostAsync(string path, string body)
        {
            using HttpResponseMessage answer = await client.PostAsync(path, HttpRig.Json(body));
            Assert.That(answer.IsSuccessStatusCode, path);
        }
    }

    [Test]
    public async Task A_second_signal_ends_requests_at_once()
    {
        using Process process = PdEngineRun.Start(
            PdEngineRun.Tiny("serve", "--port", "0", "--drain-seconds", "86400"));
        Task<string> error = process.StandardError.ReadToEndAsync();
        string? line = await process.StandardOutput.ReadLineAsync();
        Assert.That(line, Does.StartWith("listening on "), line is null ? await error : "");
        using HttpClient client = new() { BaseAddress = new(line!["listening on ".Length..]) };
        // Paused, they never finish.
        (await client.PostAsync("/pause_generation", HttpRig.Json("{}"))).Dispose();
        Task<HttpResponseMessage>[] running = [.. Enumerable.Range(0, 4).Select(_ => client.PostAsync(
            "/generate", HttpRig.Json("""{"input_ids":[5],"sampling_params":{"max_new_tokens":9}}""")))];
        await Assert.ThatAsync(async () => PdEngineRun.Json(await client.GetStringAsync("/get_load"))[0]
            .GetProperty("num_reqs").GetInt32(), Is.EqualTo(4).After(60_000, 2));
        Terminate(process);
        await Assert.ThatAsync(async () =>
        {
            using HttpResponseMessage refused = await client.PostAsync("/generate", HttpRig.Json("{}"));
            return (int)refused.StatusCode;
        }, Is.EqualTo(503).After(60_000, 20));
        Assert.That(running.Any(answer => answer.IsCompleted), Is.False);
        Terminate(process);
        foreach (HttpResponseMessage answer in await Task.WhenAll(running))
        {
            JsonElement made = PdEngineRun.Json(await answer.Content.ReadAsStringAsync());
            Assert.That(made.GetProperty("meta_info").GetProperty("finish_reason").GetProperty("type")
                .GetString(), Is.EqualTo("abort"));
            answer.Dispose();
        }
        await PdEngineRun.WaitAsync(process);
        Assert.That(process.ExitCode, Is.EqualTo(1), await error);
        Assert.That(await error,
            Does.Contain("pdengine: ended by a second signal").And.Not.Contain("   at "));
    }

    [TestCase("--host 0.0.0.0", "--host", "--insecure", "--api-key-file")]
    [TestCase("--host example.org", "--host", "no IP address", "--allowed-host")]
    [TestCase("--port 70000", "--port", "70000")]
    [TestCase("--api-key-file /nowhere/key", "--api-key-file", "/nowhere/key")]
    [TestCase("--weights-root /nowhere", "--weights-root", "/nowhere")]
    [TestCase("--max-body-mb 0", "--max-body-mb", "1 to")]
    [TestCase("--drain-seconds -1", "--drain-seconds")]
    [TestCase("--max-queued-requests 0", "--max-queued-requests")]
    [TestCase("--disaggregate always", "--disaggregate", "--prefill-num-servers")]
    public async Task Bad_flags_are_refused_before_weights_are_read(string flags, params string[] parts) =>
        (await PdEngineRun.HereAsync(PdEngineRun.Tiny(["serve", .. flags.Split(' ')]))).AssertRefused(parts);

    [Test]
    public async Task A_port_in_use_is_bad_input()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        PdEngineRun run = await PdEngineRun.HereAsync(
            PdEngineRun.Tiny("serve", "--port", $"{rig.Server.Address.Port}"));
        run.AssertRefused("--port", $"{rig.Server.Address.Port}");
    }

    [Test]
    public async Task Services_of_a_plan_are_named_by_path_and_by_model()
    {
        Topology plan = Topology.Resolve(new TopologyFlags
        {
            SglangConfig = PlanFile(TestFiles.Scratch()), HfCheckpoint = EngineRig.Folder(), CoreCount = 2,
        });
        await using HttpRig rig = await HttpRig.StartAsync(
            folder: EngineRig.Folder(),
            run: options => options with { Topology = plan, Services = ["actor", "judge"] });
        const string Body = """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":6,"temperature":0}""";
        string actor = Ids(await rig.PostAsync("/generate", Body + "}"));
        string judge = Ids(await rig.PostAsync("/judge/generate", Body + "}"));
        Assert.That(judge, Is.Not.EqualTo(actor));
        Assert.That(Ids(await rig.PostAsync("/generate", Body + ",\"model\":\"judge\"}")), Is.EqualTo(judge));
        foreach (string name in new[] { "\"actor\"", "\"gpt-9\"", "null" })
        {
            string body = $"{Body},\"model\":{name}}}";
            Assert.That(Ids(await rig.PostAsync("/generate", body)), Is.EqualTo(actor));
        }
        Assert.That(Names(await rig.GetAsync("/v1/models")), Is.EqualTo(new[] { "actor", "judge" }));
        Assert.That(Devices(await rig.GetAsync("/server_info")), Is.EqualTo(2));
        Assert.That(Devices(await rig.GetAsync("/judge/server_info")), Is.EqualTo(1));
        await rig.RefusedAsync("/judge/update_weights_from_disk", """{"model_path":"."}""");
    }

    [Test]
    public async Task The_command_serves_every_service_of_its_plan()
    {
        using Process process = PdEngineRun.Start(PdEngineRun.Tiny(
            "serve", "--port", "0", "--sglang-config", PlanFile(TestFiles.Scratch())));
        Task<string> error = process.StandardError.ReadToEndAsync();
        string? line = await process.StandardOutput.ReadLineAsync();
        Assert.That(line, Does.StartWith("listening on "), line is null ? await error : "");
        using HttpClient client = new() { BaseAddress = new(line!["listening on ".Length..]) };
        JsonElement models = PdEngineRun.Json(await client.GetStringAsync("/v1/models"));
        Assert.That(Names(models), Is.EqualTo(new[] { "actor", "judge" }));
        process.Kill();
        await PdEngineRun.WaitAsync(process);
    }

    [Test]
    public async Task What_was_said_at_the_start_can_be_asked_for()
    {
        await using HttpRig rig = await HttpRig.StartAsync(run: options => options with
        {
            Backend = BackendKind.Auto, CudaDriver = "no-such/libcuda.so.1", Gemm = GemmKind.CublasLt,
        });
        JsonElement facts = await rig.GetAsync("/server_info");
        Assert.That(facts.GetProperty("notices")[0].GetString(),
            Does.StartWith("backend auto: the CPU. The CUDA driver was not found"));
        Assert.That(facts.GetProperty("gemm").GetString(), Is.EqualTo("own"), "that of what was taken");
    }

    private static void Terminate(Process process)
    {
        using Process kill = Process.Start("kill", ["-TERM", $"{process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>A frozen judge, and an actor with prefill and decode apart.</summary>
    private static string PlanFile(string folder)
    {
        string file = Path.Combine(folder, "plan.yaml");
        File.WriteAllText(file, $"""
            sglang:
              - name: judge
                model_path: {UpdateRig.Folder(5)}
                update_weights: false
                server_groups:
                  - worker_type: regular
                    num_gpus: 1
              - name: actor
                server_groups:
                  - worker_type: prefill
                    num_gpus: 1
                  - worker_type: decode
                    num_gpus: 1
            """);
        return file;
    }

    private static IEnumerable<string> Names(JsonElement models) =>
        models.GetProperty("data").EnumerateArray().Select(one => one.GetProperty("id").GetString()!);

    private static int Devices(JsonElement facts) => facts.GetProperty("num_gpus").GetInt32();

    private static string Ids(JsonElement answer) => answer.GetProperty("output_ids").GetRawText();
}
