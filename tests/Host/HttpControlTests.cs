using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>Aborts, pauses, flushes, memory and weights, as a trainer calls them.</summary>
public sealed class HttpControlTests
{
    private const string Long =
        """{"input_ids":[5,6],"rid":"RID","sampling_params":{"max_new_tokens":1900,"ignore_eos":true},""";

    [Test]
    public async Task An_aborted_request_answers_with_what_it_has([Values] bool all)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/pause_generation", """{"mode":"retract"}""");
        Task<JsonElement> first = rig.PostAsync(
            "/generate", Long.Replace("RID", "a") + "\"return_logprob\":true}");
        Task<JsonElement> second = rig.PostAsync("/generate", Long.Replace("RID", "b") + "\"stream\":false}");
        await Assert.ThatAsync(() => TotalAsync(rig), Is.EqualTo(2).After(60_000, 5));
        await rig.PostAsync("/abort_request", all ? """{"abort_all":true}""" : """{"rid":"a"}""");
        if (!all)
        {
            Assert.That(End(await first), Is.EqualTo("abort"));
            Assert.That(second.IsCompleted, Is.False);
            await rig.PostAsync("/abort_request", """{"rid":"b"}""");
        }
        Assert.That(End(await first), Is.EqualTo("abort"));
        Assert.That(End(await second), Is.EqualTo("abort"));
        JsonElement made = await first;
        Assert.That(made.GetProperty("meta_info").GetProperty("output_token_logprobs").GetArrayLength(),
            Is.EqualTo(made.GetProperty("output_ids").GetArrayLength()));
        await rig.PostAsync("/continue_generation", "{}");
        await rig.IsIdleAsync();
        await rig.RefusedAsync("/abort_request", "{}");
    }

    [Test]
    public async Task A_stream_that_is_aborted_ends_with_its_reason()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        // Paused, it cannot end before the abort, however late that comes.
        await rig.PostAsync("/pause_generation", """{"mode":"retract"}""");
        Task<List<JsonElement>> events = rig.StreamAsync(
            "/generate", Long.Replace("RID", "s") + "\"stream\":true}");
        await Assert.ThatAsync(() => TotalAsync(rig), Is.EqualTo(1).After(60_000, 5));
        await rig.PostAsync("/abort_request", """{"rid":"s"}""");
        Assert.That(End((await events)[^1]), Is.EqualTo("abort"));
    }

    [Test]
    public async Task A_stream_that_is_aborted_on_its_way_ends_with_its_reason()
    {
        SlowClock clock = new();
        await using HttpRig rig = await HttpRig.StartAsync(run: options => options with { Clock = clock });
        using HttpRequestMessage request = new(HttpMethod.Post, "/generate")
        {
            Content = HttpRig.Json(Long.Replace("RID", "s") + "\"stream\":true}"),
        };
        using HttpResponseMessage answer =
            await rig.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        using StreamReader reader = new(await answer.Content.ReadAsStreamAsync());
        string first = (await reader.ReadLineAsync())!;
        Assert.That(first, Does.StartWith("data: {"));
        await rig.PostAsync("/abort_request", """{"rid":"s"}""");
        string[] events = (await reader.ReadToEndAsync()).Split(
            "\n\n", StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        Assert.That(events[^1], Is.EqualTo("data: [DONE]"));
        string last = events.Length > 1 ? events[^2] : first;
        Assert.That(End(PdEngineRun.Json(last["data: ".Length..])), Is.EqualTo("abort"));
    }

    [Test]
    public async Task The_cache_is_flushed_only_when_nothing_is_there()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/pause_generation", "{}");
        Task<JsonElement> waiting = rig.PostAsync("/generate",
            """{"input_ids":[5],"sampling_params":{"max_new_tokens":2}}""");
        await Assert.ThatAsync(() => TotalAsync(rig), Is.EqualTo(1).After(60_000, 5));
        using HttpResponseMessage refused = await rig.Client.GetAsync("/flush_cache");
        Assert.That((int)refused.StatusCode, Is.EqualTo(400));
        await rig.PostAsync("/continue_generation", "{}");
        await waiting;
        await rig.IsIdleAsync();
        await rig.GetAsync("/flush_cache");
        await rig.PostAsync("/flush_cache", "{}");
        Assert.That(() => rig.Model.Metrics.CachedBlocks, Is.Zero.After(60_000, 5));
    }

    [TestCase("""{"mode":"in_place"}""", "length")]
    [TestCase("""{"mode":"retract"}""", "length")]
    [TestCase("""{"mode":"abort"}""", "abort")]
    [TestCase("{}", "abort")]
    public async Task A_pause_does_to_requests_what_its_mode_says(string body, string end)
    {
        SlowClock clock = new();
        await using HttpRig rig = await HttpRig.StartAsync(run: options => options with { Clock = clock });
        Task<JsonElement> running = rig.PostAsync("/generate", Long.Replace("RID", "r") + "\"priority\":0}");
        await Assert.ThatAsync(() => TotalAsync(rig), Is.EqualTo(1).After(60_000, 5));
        await rig.PostAsync("/pause_generation", body);
        clock.Release();
        JsonElement facts = await rig.GetAsync("/server_info");
        Assert.That(facts.GetProperty("status").GetString(), Is.EqualTo("paused"));
        using HttpResponseMessage health = await rig.Client.GetAsync("/health_generate");
        Assert.That((int)health.StatusCode, Is.EqualTo(200));
        JsonElement status = await rig.PostAsync("/continue_generation", "{}");
        Assert.That(status.GetProperty("status").GetString(), Is.EqualTo("ok"));
        Assert.That(End(await running), Is.EqualTo(end));
        await rig.RefusedAsync("/pause_generation", """{"mode":"stop"}""");
    }

    [Test]
    public async Task Memory_goes_and_comes_back_part_by_part_and_tokens_are_the_same()
    {
        const string Ask = """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":6,"temperature":0}}""";
        await using HttpRig rig = await HttpRig.StartAsync();
        string before = Ids(await rig.PostAsync("/generate", Ask));
        await rig.PostAsync("/release_memory_occupation", "{}");
        Assert.That(rig.Model.IsPaused, Is.True);
        await rig.PostAsync("/resume_memory_occupation", """{"tags":["weights"]}""");
        Assert.That(rig.Model.IsPaused, Is.True);
        await rig.PostAsync("/resume_memory_occupation", """{"tags":["kv_cache","cuda_graph"]}""");
        Assert.That(rig.Model.IsPaused, Is.False);
        Assert.That(Ids(await rig.PostAsync("/generate", Ask)), Is.EqualTo(before));
        await rig.PostAsync("/release_memory_occupation", """{"tags":null}""");
        await rig.PostAsync("/resume_memory_occupation", """{"tags":null}""");
        Assert.That(Ids(await rig.PostAsync("/generate", Ask)), Is.EqualTo(before));
        await rig.RefusedAsync("/release_memory_occupation", """{"tags":["disk"]}""");
    }

    [Test]
    public async Task Weights_come_from_disk_and_from_bodies_and_are_compared()
    {
        const string Ask = """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":6,"temperature":0}}""";
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { WeightsRoot = Path.GetDirectoryName(UpdateRig.Folder(5)) });
        string before = Ids(await rig.PostAsync("/generate", Ask));
        await rig.PostAsync("/weights_checker", """{"action":"snapshot"}""");
        JsonElement disk = await rig.PostAsync("/update_weights_from_disk",
            $$"""{"model_path":"{{UpdateRig.Folder(5)}}","weight_version":"7","load_format":null}""");
        Assert.That(disk.GetProperty("success").GetBoolean(), Is.True);
        JsonElement changed = await rig.PostAsync("/generate", Ask);
        Assert.That(Ids(changed), Is.Not.EqualTo(before));
        Assert.That(Version(changed.GetProperty("meta_info")), Is.EqualTo("7"));
        await Differs(rig, "tensors differ");
        string file = Convert.ToBase64String(File.ReadAllBytes(
            Path.Combine(UpdateRig.Folder(3), "model.safetensors")));
        await rig.PostAsync("/update_weights_from_tensor",
            $$"""{"serialized_named_tensors":["{{file}}"],"weight_version":8,"flush_cache":true}""");
        Assert.That(Ids(await rig.PostAsync("/generate", Ask)), Is.EqualTo(before));
        await rig.PostAsync("/weights_checker", """{"action":"compare"}""");
        Assert.That((await rig.GetAsync("/get_weight_version")).GetProperty("weight_version").GetString(),
            Is.EqualTo("8"));
        await rig.PostAsync("/update_weight_version", """{"new_version":"9"}""");
        JsonElement renamed = await rig.PostAsync("/generate", Ask);
        Assert.That(Ids(renamed), Is.EqualTo(before));
        Assert.That(Version(renamed.GetProperty("meta_info")), Is.EqualTo("9"));
        Assert.That(Version(await rig.GetAsync("/model_info")), Is.EqualTo("9"));
        await rig.RefusedAsync("/update_weight_version", """{"new_version":"8"}""");
    }

    [Test]
    public async Task Weights_that_were_given_back_may_come_in_several_bodies()
    {
        const string Ask = """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":6,"temperature":0}}""";
        await using HttpRig rig = await HttpRig.StartAsync();
        string[] halves = TensorBodies.Files(UpdateRig.Folder(5), 2);
        string[] bodies = [.. halves.Select((half, index) =>
            $$"""{"serialized_named_tensors":["{{half}}"],"weight_version":"{{index + 3}}"}""")];
        await rig.PostAsync("/release_memory_occupation", "{}");
        Task<JsonElement> waiting = rig.PostAsync("/generate", Ask);
        await rig.PostAsync("/resume_memory_occupation", """{"tags":["weights"]}""");
        JsonElement held = await rig.PostAsync("/update_weights_from_tensor", bodies[0]);
        Assert.That(held.GetProperty("message").GetString(), Does.Contain("tensors have come"));
        Assert.That(Version(held), Is.EqualTo("default"));
        JsonElement refused = await rig.RefusedAsync("/resume_memory_occupation", "{}");
        Assert.That(refused.GetProperty("message").GetString(),
            Does.Contain("first of those missing").And.Contain("push the rest"));
        Assert.That(Version(await rig.PostAsync("/update_weights_from_tensor", bodies[1])), Is.EqualTo("4"));
        Assert.That(waiting.IsCompleted, Is.False);
        await rig.PostAsync("/resume_memory_occupation", "{}");
        string late = Ids(await waiting);
        await using HttpRig other = await HttpRig.StartAsync(folder: UpdateRig.Folder(5));
        Assert.That(late, Is.EqualTo(Ids(await other.PostAsync("/generate", Ask))));
        // What was held is forgotten with the next loan.
        await rig.PostAsync("/release_memory_occupation", "{}");
        await rig.PostAsync("/update_weights_from_tensor", bodies[0].Replace("\"3\"", "\"5\""));
        await rig.PostAsync("/release_memory_occupation", "{}");
        await rig.PostAsync("/update_weights_from_tensor", bodies[1].Replace("\"4\"", "\"6\""));
        JsonElement whole = await rig.PostAsync(
            "/update_weights_from_tensor", bodies[0].Replace("\"3\"", "\"7\""));
        Assert.That(Version(whole), Is.EqualTo("7"));
    }

    [Test]
    public async Task A_bucket_that_comes_again_replaces_what_it_gave_before()
    {
        const string Ask = """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":6,"temperature":0}}""";
        await using HttpRig rig = await HttpRig.StartAsync();
        string[] wrong = TensorBodies.Files(UpdateRig.Folder(3), 2);
        string[] thirds = TensorBodies.Files(UpdateRig.Folder(5), 3);
        await rig.PostAsync("/release_memory_occupation", """{"tags":["weights"]}""");
        // The second third replaces a part of this half only.
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(wrong[0]));
        foreach (string third in new[] { thirds[0], thirds[0], thirds[1], thirds[2] })
            await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(third));
        await rig.PostAsync("/resume_memory_occupation", "{}");
        string made = Ids(await rig.PostAsync("/generate", Ask));
        await using HttpRig other = await HttpRig.StartAsync(folder: UpdateRig.Folder(5));
        Assert.That(made, Is.EqualTo(Ids(await other.PostAsync("/generate", Ask))));
        JsonElement twice = await rig.RefusedAsync("/update_weights_from_tensor",
            $$"""{"serialized_named_tensors":["{{thirds[0]}}","{{thirds[0]}}"]}""");
        Assert.That(twice.GetProperty("message").GetString(), Does.Contain("given twice"));
    }

    [TestCase("""{"serialized_named_tensors":["gASVCgAAAAAAAAB9lC4="]}""", "pickled")]
    [TestCase("""{"serialized_named_tensors":["UEsDBAoAAAAAAA=="]}""", "pickled")]
    [TestCase("""{"serialized_named_tensors":["!"]}""", "base64")]
    [TestCase("""{"serialized_named_tensors":["AAAA"]}""", "safetensors")]
    [TestCase("""{"serialized_named_tensors":[]}""", "1 to")]
    [TestCase("""{"serialized_named_tensors":["AAAA"],"load_format":"flattened_bucket"}""", "load_format")]
    public async Task Weights_of_other_forms_are_refused(string body, string part)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement error = await rig.RefusedAsync("/update_weights_from_tensor", body);
        Assert.That(error.GetProperty("message").GetString(), Does.Contain(part));
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("default"));
    }

    [TestCase("/update_weights_from_distributed", "/update_weights_from_disk")]
    [TestCase("/init_weights_update_group", "/update_weights_from_tensor")]
    [TestCase("/begin_weight_update", "/update_weights_from_tensor")]
    [TestCase("/end_weight_update", "/update_weights_from_tensor")]
    [TestCase("/pull_weights", "/update_weights_from_disk")]
    [TestCase("/start_profile", "pdengine bench")]
    [TestCase("/load_lora_adapter", "merge")]
    public async Task What_is_not_here_says_what_to_use(string path, string instead)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement error = await rig.RefusedAsync(path, "{}", 501);
        Assert.That(error.GetProperty("message").GetString(), Does.Contain(instead));
    }

    [Test]
    public async Task Text_goes_to_ids_and_back()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement one = await rig.PostAsync("/tokenize", """{"prompt":"hé"}""");
        Assert.That(one.GetProperty("count").GetInt32(), Is.EqualTo(3));
        JsonElement two = await rig.PostAsync("/tokenize", """{"prompt":["a","bc"]}""");
        Assert.That(two.GetProperty("tokens").GetRawText(), Is.EqualTo("[[99],[100,101]]"));
        JsonElement text = await rig.PostAsync(
            "/detokenize", $$"""{"tokens":{{one.GetProperty("tokens").GetRawText()}}}""");
        Assert.That(text.GetProperty("text").GetString(), Is.EqualTo("hé"));
        JsonElement texts = await rig.PostAsync("/detokenize", """{"tokens":[[99],[100,101]]}""");
        Assert.That(texts.GetProperty("text").GetRawText(), Is.EqualTo("""["a","bc"]"""));
        await rig.RefusedAsync("/tokenize", "{}");
        await rig.RefusedAsync("/detokenize", """{"tokens":["a"]}""");
        foreach (string ids in new[] { "[99,320]", "[-1]", "[[99],[100000]]" })
        {
            JsonElement error = await rig.RefusedAsync("/detokenize", $$"""{"tokens":{{ids}}}""");
            Assert.That(error.GetProperty("message").GetString(), Does.Contain("is not in 0 to 319"));
        }
    }

    [Test]
    public async Task Wrong_methods_and_paths_are_told()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.RefusedAsync("/health", "{}", 405);
        await rig.RefusedAsync("/nothing", "{}", 404);
        await rig.RefusedAsync("/nothing/generate", "{}", 404);
        Assert.That((await rig.GetAsync("/v1/models/default")).GetProperty("id").GetString(),
            Is.EqualTo("default"));
        using HttpResponseMessage missing = await rig.Client.GetAsync("/v1/models/other");
        Assert.That((int)missing.StatusCode, Is.EqualTo(404));
        await rig.PostAsync("/default/generate", """{"text":"a","sampling_params":{"max_new_tokens":1}}""");
    }

    private static async Task Differs(HttpRig rig, string part)
    {
        using HttpResponseMessage answer =
            await rig.Client.PostAsync("/weights_checker", HttpRig.Json("""{"action":"compare"}"""));
        Assert.That((int)answer.StatusCode, Is.EqualTo(400));
        Assert.That(await answer.Content.ReadAsStringAsync(), Does.Contain(part));
    }

    private static async Task<int> TotalAsync(HttpRig rig) => (await rig.GetAsync("/v1/loads"))
        .GetProperty("loads")[0].GetProperty("num_total_reqs").GetInt32();

    private static string Ids(JsonElement answer) => answer.GetProperty("output_ids").GetRawText();

    private static string Version(JsonElement of) => of.GetProperty("weight_version").GetString()!;

    private static string End(JsonElement answer) => answer.GetProperty("meta_info")
        .GetProperty("finish_reason").GetProperty("type").GetString()!;
}
