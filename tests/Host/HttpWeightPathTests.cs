using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>Where a client may have weights read from.</summary>
public sealed class HttpWeightPathTests
{
    private string _root = "";
    private string _inside = "";
    private string _outside = "";

    [SetUp]
    public void MakeFolders()
    {
        string scratch = TestFiles.Scratch();
        _root = Path.Combine(scratch, "root");
        _inside = Path.Combine(_root, "a", "weights");
        _outside = Path.Combine(scratch, "root-not");
        foreach (string folder in new[] { _inside, _outside })
        {
            Directory.CreateDirectory(folder);
            File.WriteAllText(Path.Combine(folder, "model.safetensors"), "x");
        }
    }

    [Test]
    public void A_folder_inside_is_found_by_either_name()
    {
        foreach (string name in new[] { _inside, "a/weights", "a/../a/./weights", "." })
            Assert.That(WeightFolders.Resolve(name, _root), Is.EqualTo(name == "." ? _root : _inside));
    }

    [Test]
    public void What_leaves_the_root_is_refused_however_it_is_said()
    {
        Directory.CreateSymbolicLink(Path.Combine(_root, "link"), _outside);
        Directory.CreateSymbolicLink(Path.Combine(_root, "loop"), Path.Combine(_root, "loop"));
        Directory.CreateSymbolicLink(Path.Combine(_root, "up"), "..");
        foreach (string name in new[]
        {
            _outside, "..", "../root-not", "a/../../root-not", "link", "loop", "up/root-not", "/", "/etc",
            "nowhere", "a\0", "a/weights/model.safetensors",
        })
        {
            HttpRefusal? refusal = Assert.Throws<HttpRefusal>(() => WeightFolders.Resolve(name, _root), name);
            Assert.That(refusal!.Field, Is.EqualTo("model_path"));
        }
        // Links may go round inside.
        Directory.CreateSymbolicLink(Path.Combine(_root, "other"), "a/weights");
        Assert.That(WeightFolders.Resolve("other", _root), Is.EqualTo(_inside));
    }

    [Test]
    public void A_file_that_is_a_link_out_is_refused()
    {
        string target = Path.Combine(_outside, "model.safetensors");
        File.CreateSymbolicLink(Path.Combine(_inside, "shard.safetensors"), target);
        HttpRefusal? refusal = Assert.Throws<HttpRefusal>(() => WeightFolders.Resolve(_inside, _root));
        Assert.That(refusal!.Message, Does.Contain("shard.safetensors"));
    }

    [Test]
    public async Task The_default_root_is_the_models_own_folder()
    {
        string folder = Path.Combine(TestFiles.Scratch(), "own");
        RandomCheckpoint.Write(folder, RandomCheckpoint.ConfigOf("tiny"), seed: 3);
        await using HttpRig rig = await HttpRig.StartAsync(folder: folder);
        JsonElement error = await rig.RefusedAsync(
            "/update_weights_from_disk", $$"""{"model_path":"{{UpdateRig.Folder(5)}}"}""");
        Assert.That(error.GetProperty("message").GetString(), Does.Contain("--weights-root"));
        Assert.That(rig.Model.WeightVersion, Is.EqualTo("default"));
        JsonElement done = await rig.PostAsync("/update_weights_from_disk", """{"model_path":"."}""");
        Assert.That(done.GetProperty("success").GetBoolean(), Is.True);
    }

    [Test]
    public async Task A_model_that_lies_in_no_folder_opens_none()
    {
        await using HttpRig rig = await HttpRig.StartAsync(
            options => options with { ModelPath = "embedded:x" });
        JsonElement error = await rig.RefusedAsync("/update_weights_from_disk", """{"model_path":"."}""");
        Assert.That(error.GetProperty("message").GetString(), Does.StartWith("--weights-root"));
    }

    [Test]
    public async Task A_shard_name_may_not_leave_the_folder()
    {
        string folder = Path.Combine(TestFiles.Scratch(), "sharded");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"),
            """{"weight_map":{"model.norm.weight":"../secret.safetensors"}}""");
        await using HttpRig rig = await HttpRig.StartAsync(options => options with { WeightsRoot = folder });
        JsonElement error = await rig.RefusedAsync("/update_weights_from_disk", """{"model_path":"."}""");
        Assert.That(error.GetProperty("message").GetString(), Does.Contain("not a file inside the folder"));
    }
}
