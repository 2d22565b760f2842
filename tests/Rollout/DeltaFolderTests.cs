namespace PdEngine.Tests;

/// <summary>Folders of weights that others wrote, and what is said of them.</summary>
public sealed class DeltaFolderTests
{
    private const string Shard = "model-00000-of-00001.safetensors";

    [TestCase("xor"), TestCase("overwrite")]
    public void Deltas_of_others_are_refused_by_name(string encoding)
    {
        string folder = Path.Combine(TestFiles.Scratch($"delta-{encoding}"), "weight_v000001");
        WriteDelta(folder, encoding);
        AssertRefusedAsDelta(folder, "model.safetensors.index.json");
    }

    [Test]
    public void The_folder_of_all_versions_is_told_from_one_of_them()
    {
        string parent = TestFiles.Scratch();
        foreach (string version in (string[])["weight_v000001", "weight_v000002"])
            Copy(UpdateRig.Folder(4), Path.Combine(parent, version));
        Assert.That(
            Assert.Throws<WeightUpdateException>(() => WeightUpdate.FromFolder(parent))!.Message,
            Does.Contain("2 versions").And.Contain("weight_v000002").And.Contain("slime")
                .And.Contain("Miles"));
        WriteDelta(Path.Combine(parent, "weight_v000003"), "xor");
        AssertRefusedAsDelta(parent, "weight_v000003");
        using WeightUpdate whole = WeightUpdate.FromFolder(Path.Combine(parent, "weight_v000002"));
        Assert.That(whole, Is.Not.Null);
    }

    [TestCase("weight_delta_00001.safetensors"), TestCase("model.safetensors.zst")]
    public void A_delta_without_an_index_is_known_by_its_files(string name)
    {
        string folder = TestFiles.Scratch($"files-{name}");
        File.WriteAllText(Path.Combine(folder, name), "");
        AssertRefusedAsDelta(folder, name);
    }

    [TestCase("README_delta.md"), TestCase("prompts.zst"), TestCase("weight_delta_00001.safetensors")]
    public void Whole_weights_are_read_whatever_lies_beside_them(string name)
    {
        string folder = TestFiles.Scratch($"whole-{name}");
        Copy(UpdateRig.Folder(4), folder);
        File.WriteAllText(Path.Combine(folder, name), "");
        using WeightUpdate whole = WeightUpdate.FromFolder(folder);
        Assert.That(whole, Is.Not.Null);
    }

    [TestCase("{}"), TestCase("[1]"), TestCase("nothing"), TestCase("""{"metadata": 3}""")]
    public void An_index_that_says_nothing_of_deltas_is_left_to_the_reader(string index)
    {
        string folder = TestFiles.Scratch($"index-{index.Length}");
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), index);
        Assert.That(() => WeightUpdate.FromFolder(folder), Throws.TypeOf<CheckpointException>());
    }

    private static void Copy(string from, string to)
    {
        Directory.CreateDirectory(to);
        foreach (string file in Directory.GetFiles(from))
            File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
    }

    private static void WriteDelta(string folder, string encoding)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, Shard), "");
        File.WriteAllText(Path.Combine(folder, "model.safetensors.index.json"), $$$"""
            {"metadata": {"version": "000001", "base_version": "000000", "delta_encoding": "{{{encoding}}}",
              "compression_format": "zstd", "checksum_format": "adler32"},
             "weight_map": {"model.norm.weight": "{{{Shard}}}"}}
            """);
    }

    private static void AssertRefusedAsDelta(string folder, string part) => Assert.That(
        Assert.Throws<WeightUpdateException>(() => WeightUpdate.FromFolder(folder))!.Message,
        Does.Contain(part).And.Contain("slime").And.Contain("Miles").And.Contain("delta of"));
}
