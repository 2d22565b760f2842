using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>A trainer's check that an update brings every tensor: snapshot, reset, update, compare.</summary>
public sealed class HttpResetTests
{
    private const string Ask =
        """{"input_ids":[5,6,7],"sampling_params":{"max_new_tokens":6,"temperature":0}}""";

    [Test]
    public async Task Weights_that_were_reset_all_differ_and_an_update_brings_them_back()
    {
        string folder = UpdateRig.Folder(3);
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { WeightsRoot = Path.GetDirectoryName(folder) });
        await UpdateAsync(rig, folder, "1");
        string before = Ids(await rig.PostAsync("/generate", Ask));
        await CheckAsync(rig, "snapshot");
        int tensors = (await CheckAsync(rig, "checksum")).GetProperty("checksums").EnumerateObject().Count();
        await CheckAsync(rig, "reset_tensors");
        Assert.That(await DifferenceAsync(rig), Does.StartWith($"{tensors} of {tensors} "));

        Assert.That(rig.Model.IsPaused, Is.True, "nothing is made of spoilt weights");
        await rig.RefusedAsync("/continue_generation", "{}");
        Task<JsonElement> waits = rig.PostAsync("/generate", Ask);
        await Task.Delay(50);
        Assert.That(waits.IsCompleted, Is.False);

        await rig.PostAsync("/release_memory_occupation", """{"tags":["kv_cache"]}""");
        await rig.PostAsync("/resume_memory_occupation", """{"tags":["kv_cache"]}""");
        Assert.That(rig.Model.IsPaused, Is.True);
        await CheckAsync(rig, "reset_tensors");
        await UpdateAsync(rig, folder, "2");
        await CheckAsync(rig, "compare");
        Assert.That(Ids(await waits), Is.EqualTo(before));
        Assert.That(rig.Model.IsPaused, Is.False);
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("2"));
    }

    [Test]
    public async Task A_service_that_was_paused_stays_so_and_parts_leave_it_to_the_trainer()
    {
        string folder = UpdateRig.Folder(3);
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { WeightsRoot = Path.GetDirectoryName(folder) });
        await rig.PostAsync("/pause_generation", "{}");
        await CheckAsync(rig, "snapshot");
        await CheckAsync(rig, "reset_tensors");
        await UpdateAsync(rig, folder, "1");
        Assert.That(rig.Model.IsPaused, Is.True);
        await rig.PostAsync("/continue_generation", "{}");

        await CheckAsync(rig, "reset_tensors");
        string file = Convert.ToBase64String(File.ReadAllBytes(Path.Combine(folder, "model.safetensors")));
        await rig.PostAsync("/update_weights_from_tensor",
            $$"""{"serialized_named_tensors":["{{file}}"],"weight_version":"2"}""");
        Assert.That(rig.Model.IsPaused, Is.True);
        await rig.PostAsync("/continue_generation", "{}");
        Assert.That(Ids(await rig.PostAsync("/generate", Ask)), Has.Length.GreaterThan(2));
    }

    [Test]
    public async Task A_part_of_the_weights_lifts_no_hold()
    {
        string folder = UpdateRig.Folder(3);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        string before = Ids(await rig.PostAsync("/generate", Ask));
        string[] parts = TensorBodies.Files(folder, 3);
        string[] names = [.. ModelTensors.Of(rig.Model.Config).Select(tensor => tensor.Name)];
        int third = (names.Length + 2) / 3;
        await CheckAsync(rig, "reset_tensors");
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(parts[2]));
        await MissingAsync(rig, names.Length - (2 * third), names.Length, names[0]);
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(parts[0]));
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(parts[0]));
        await MissingAsync(rig, names.Length - third, names.Length, names[third]);
        Assert.That(rig.Model.IsPaused, Is.True);

        // Another reset spoils what has come.
        await CheckAsync(rig, "reset_tensors");
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(parts[1]));
        await MissingAsync(rig, third, names.Length, names[0]);
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(parts[0]));
        await rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(parts[2]));
        Assert.That(rig.Model.IsPaused, Is.True, "the trainer says when it goes on");
        await rig.PostAsync("/continue_generation", "{}");
        Assert.That(Ids(await rig.PostAsync("/generate", Ask)), Is.EqualTo(before));
    }

    [Test]
    public async Task Parts_of_one_version_come_while_the_service_is_paused([Values] bool wasReset)
    {
        string folder = UpdateRig.Folder(5);
        await using HttpRig rig = await HttpRig.StartAsync();
        if (wasReset)
            await CheckAsync(rig, "reset_tensors");
        else
            await rig.PostAsync("/pause_generation", "{}");
        string[] bodies = [.. TensorBodies.Files(folder, 3).Select(part =>
            $$"""{"serialized_named_tensors":["{{part}}"],"weight_version":"1"}""")];
        foreach (string body in bodies)
            await rig.PostAsync("/update_weights_from_tensor", body);
        await rig.PostAsync("/continue_generation", "{}");
        JsonElement made = await rig.PostAsync("/generate", Ask);
        Assert.That(made.GetProperty("meta_info").GetProperty("weight_version").GetString(), Is.EqualTo("1"));
        await using HttpRig fresh = await HttpRig.StartAsync(folder: folder);
        Assert.That(Ids(made), Is.EqualTo(Ids(await fresh.PostAsync("/generate", Ask))));
        JsonElement error = await rig.RefusedAsync("/update_weights_from_tensor", bodies[0]);
        Assert.That(error.GetProperty("message").GetString(), Does.Contain("used before"));
    }

    [TestCase("/update_weights_from_disk")]
    [TestCase("/update_weights_from_tensor")]
    [TestCase("/weights_checker")]
    public async Task Who_changes_weights_waits_for_whoever_does(string path)
    {
        string folder = UpdateRig.Folder(3);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        string body = path switch
        {
            "/weights_checker" => """{"action":"reset_tensors"}""",
            "/update_weights_from_disk" => """{"model_path":"."}""",
            _ => TensorBodies.Body(TensorBodies.Files(folder, 1)[0]),
        };
        await rig.Server.WeightsTurn.WaitAsync();
        Task<JsonElement> waits = rig.PostAsync(path, body);
        Assert.That(await Task.WhenAny(waits, Task.Delay(300)), Is.Not.SameAs(waits));
        Assert.That((rig.Model.WeightVersion, rig.Model.IsPaused), Is.EqualTo(("default", false)));
        rig.Server.WeightsTurn.Release();
        await waits;
        Assert.That(rig.Model.WeightVersion, Is.Not.EqualTo("default"));
    }

    [Test]
    public async Task Resets_and_updates_at_once_end_as_if_one_after_the_other()
    {
        string folder = UpdateRig.Folder(3);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        string before = Ids(await rig.PostAsync("/generate", Ask));
        for (int round = 0; round < 8; round++)
        {
            Task<JsonElement> reset = CheckAsync(rig, "reset_tensors");
            await Task.WhenAll(reset, UpdateAsync(rig, folder, $"round-{round}"),
                rig.PostAsync("/update_weights_from_tensor", TensorBodies.Body(
                    TensorBodies.Files(folder, 1)[0])));
            bool isSpoilt = rig.Model.WeightVersion.StartsWith("reset", StringComparison.Ordinal);
            // Where the reset came last nothing may be made of it.
            Assert.That(isSpoilt && !rig.Model.IsPaused, Is.False, $"round {round}");
            if (isSpoilt)
                await rig.RefusedAsync("/continue_generation", "{}");
            await rig.PostAsync("/update_weights_from_disk", """{"model_path":"."}""");
            await rig.PostAsync("/continue_generation", "{}");
            Assert.That(Ids(await rig.PostAsync("/generate", Ask)), Is.EqualTo(before), $"round {round}");
        }
    }

    [Test]
    public async Task A_server_without_a_folder_says_where_weights_could_come_from()
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { ModelPath = PdEngine.Host.DefaultModel.Name });
        JsonElement error = await rig.RefusedAsync("/update_weights_from_disk", """{"model_path":"."}""");
        Assert.That(error.GetProperty("message").GetString(), Does.StartWith("--weights-root")
            .And.Contain("--weights-root FOLDER").And.Contain("/update_weights_from_tensor"));
    }

    [Test]
    public async Task The_health_of_a_reward_service_is_a_score()
    {
        string folder = Path.Combine(TestFiles.Scratch(), "reward");
        string config = TinyModel.Config("llama", ("architectures", "[\"LlamaForSequenceClassification\"]"),
            ("num_labels", "1"));
        RandomCheckpoint.Write(folder, config, seed: 3);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        Assert.That(rig.Model.IsReward, Is.True);
        Assert.That(await rig.Client.GetStringAsync("/health_generate"), Is.EqualTo("OK"));
    }

    private static Task<JsonElement> CheckAsync(HttpRig rig, string action) =>
        rig.PostAsync("/weights_checker", $$"""{"action":"{{action}}"}""");

    private static async Task MissingAsync(HttpRig rig, int count, int all, string first)
    {
        JsonElement error = await rig.RefusedAsync("/continue_generation", "{}");
        Assert.That(error.GetProperty("message").GetString(),
            Does.Contain($"{count} of {all} tensors")
                .And.Contain($"'{first}' is the first of those missing"));
    }

    /// <summary>What a comparison that fails says.</summary>
    private static async Task<string?> DifferenceAsync(HttpRig rig)
    {
        using HttpResponseMessage answer =
            await rig.Client.PostAsync("/weights_checker", HttpRig.Json("""{"action":"compare"}"""));
        Assert.That((int)answer.StatusCode, Is.EqualTo(400));
        return PdEngineRun.Json(await answer.Content.ReadAsStringAsync()).GetProperty("message").GetString();
    }

    private static Task<JsonElement> UpdateAsync(HttpRig rig, string folder, string version) =>
        rig.PostAsync("/update_weights_from_disk",
            $$"""{"model_path":"{{folder}}","weight_version":"{{version}}"}""");

    private static string Ids(JsonElement answer) => answer.GetProperty("output_ids").GetRawText();
}
