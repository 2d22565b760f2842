using System.Text.Json;

namespace PdEngine.Tests;

/// <summary>What control routes take for a body, and what memory they say is where.</summary>
public sealed class HttpControlBodyTests
{
    [TestCase("/pause_generation", """{"mod":"retract"}""", "mod", "'mode'")]
    [TestCase("/pause_generation", """{"x":1}""", "x", "use mode")]
    [TestCase("/pause_generation", """{"mode":"abort","mode":"retract"}""", "mode", "twice")]
    [TestCase("/continue_generation", """{"mode":"abort"}""", "mode", "leave it out")]
    [TestCase("/release_memory_occupation", """{"tag":["kv_cache"]}""", "tag", "'tags'")]
    [TestCase("/release_memory_occupation", """{"tags":"kv_cache"}""", "tags", "an array is needed")]
    [TestCase("/release_memory_occupation", """{"tags":[]}""", "tags", "empty")]
    [TestCase("/resume_memory_occupation", """{"Tags":["kv_cache"]}""", "Tags", "'tags'")]
    [TestCase("/resume_memory_occupation", """{"tags":"weights"}""", "tags", "an array is needed")]
    [TestCase("/resume_memory_occupation", """{"tags":[]}""", "tags", "empty")]
    [TestCase("/abort_request", """{"abort_al":true,"rid":"a"}""", "abort_al", "'abort_all'")]
    [TestCase("/flush_cache", """{"x":1}""", "x", "leave it out")]
    [TestCase("/weights_checker", """{"acton":"reset_tensors"}""", "acton", "'action'")]
    [TestCase("/update_weights_from_disk", """{"model_pth":"."}""", "model_pth", "'model_path'")]
    [TestCase("/update_weights_from_tensor", """{"weight_versoin":"1"}""", "weight_versoin",
        "'weight_version'")]
    [TestCase("/update_weight_version", """{"version":"1"}""", "version", "new_version")]
    public async Task What_a_control_route_does_not_know_is_refused(
        string path, string body, string field, string part)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        JsonElement error = await rig.RefusedAsync(path, body);
        Assert.That(error.GetProperty("param").GetString(), Is.EqualTo(field));
        Assert.That(error.GetProperty("message").GetString(), Does.Contain(part));
        Assert.That(rig.Model.IsPaused, Is.False);
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("default"));
    }

    [TestCase("/pause_generation", """{"mode":"in_place","model":"default"}""")]
    [TestCase("/continue_generation", """{"torch_empty_cache":true}""")]
    [TestCase("/flush_cache", """{"timeout":1}""")]
    [TestCase("/abort_request", """{"rid":"a","abort_all":false,"finished_reason":null}""")]
    [TestCase("/weights_checker", """{"action":"snapshot","rid":"a"}""")]
    [TestCase("/update_weights_from_disk", """
        {"model_path":".","load_format":null,"abort_all_requests":false,"weight_version":"1",
         "is_async":false,"torch_empty_cache":false,"keep_pause":false,"recapture_cuda_graph":false,
         "token_step":0,"flush_cache":true}
        """)]
    public async Task What_SGLang_takes_passes(string path, string body)
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync(path, body);
    }

    [Test]
    public async Task An_update_that_keeps_the_pause_leaves_the_service_paused([Values] bool isTensor,
        [Values] bool wasReset)
    {
        string folder = UpdateRig.Folder(3);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        if (wasReset)
            await rig.PostAsync("/weights_checker", """{"action":"reset_tensors"}""");
        string path = isTensor ? "/update_weights_from_tensor" : "/update_weights_from_disk";
        string what = isTensor
            ? $"\"serialized_named_tensors\":[\"{TensorBodies.Files(folder, 1)[0]}\"]"
            : "\"model_path\":\".\"";
        await rig.PostAsync(path, $"{{{what},\"keep_pause\":true}}");
        Assert.That(rig.Model.IsPaused, Is.True);
        await rig.PostAsync("/continue_generation", "{}");
        await rig.PostAsync(path, $"{{{what},\"keep_pause\":false}}");
        Assert.That(rig.Model.IsPaused, Is.False);
        JsonElement error = await rig.RefusedAsync(path, $"{{{what},\"keep_pause\":1}}");
        Assert.That(error.GetProperty("param").GetString(), Is.EqualTo("keep_pause"));
    }

    [Test]
    public async Task Memory_that_comes_back_in_parts_says_which()
    {
        await using HttpRig rig = await HttpRig.StartAsync();
        await rig.PostAsync("/release_memory_occupation", "{}");
        Assert.That(await ResumeAsync(rig, """{"tags":["weights"]}"""), Is.EqualTo(
            "Back: weights. Still away: kv_cache, cuda_graph: the service waits for it."));
        Assert.That(await ResumeAsync(rig, """{"tags":["weights"]}"""), Is.EqualTo(
            "None of that was away. Still away: kv_cache, cuda_graph: the service waits for it."));
        Assert.That(await ResumeAsync(rig, """{"tags":["kv_cache"]}"""), Is.EqualTo(
            "Back: kv_cache. Still away: cuda_graph."));
        Assert.That(await ResumeAsync(rig, "{}"), Is.EqualTo("Back: cuda_graph. Nothing is away now."));
        Assert.That(await ResumeAsync(rig, "{}"), Is.EqualTo("None of that was away."));
    }

    private static async Task<string?> ResumeAsync(HttpRig rig, string body) =>
        (await rig.PostAsync("/resume_memory_occupation", body)).GetProperty("message").GetString();
}
