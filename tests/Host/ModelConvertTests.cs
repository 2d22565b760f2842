using System.Text.Json;
using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary><c>pdengine model convert</c> and <c>model info</c>.</summary>
public sealed class ModelConvertTests
{
    private static string Tiny => Path.Combine(TestFiles.Root, "models", "pd-tiny");

    [Test]
    public async Task Pd_tiny_comes_back_from_gguf_bit_for_bit_and_says_the_same_on_the_way()
    {
        string scratch = TestFiles.Scratch();
        string gguf = Path.Combine(scratch, "tiny.gguf"), back = Path.Combine(scratch, "back");
        await ConvertAsync(Tiny, gguf);
        await ConvertAsync(gguf, back);
        AssertSameTensors(Tiny, gguf, isBitEqual: true);
        AssertSameFiles(Tiny, back);
        string wanted = await SayAsync(Tiny, "guess");
        Assert.That(await SayAsync(gguf, "guess"), Is.EqualTo(wanted));
        Assert.That(await SayAsync(back, "guess"), Is.EqualTo(wanted));
        foreach (string file in (string[])["tokenizer.json", "tokenizer_config.json"])
        {
            Assert.That(File.ReadAllBytes(Path.Combine(back, file)),
                Is.EqualTo(File.ReadAllBytes(Path.Combine(Tiny, file))), file);
        }
        Assert.That(Directory.GetFileSystemEntries(scratch), Has.Length.EqualTo(2));
    }

    [Test]
    [Category("Goldens")]
    public async Task A_real_checkpoint_goes_both_ways_and_says_the_same()
    {
        string source = TestFiles.SmolLm2(), scratch = TestFiles.Scratch();
        string folder = Path.Combine(scratch, "folder"), exact = Path.Combine(scratch, "exact");
        string gguf = Path.Combine(scratch, "again.gguf"), second = Path.Combine(scratch, "second");
        JsonElement report = await ConvertAsync(source, folder);
        Assert.That(report.GetProperty("dtypes").GetRawText(), Does.Contain("\"Q4_1\"").And.Contain("BF16"));
        await ConvertAsync(source, exact, "--dtype", "f32");
        AssertSameTensors(source, exact, isBitEqual: true);
        await ConvertAsync(folder, gguf);
        AssertSameTensors(folder, gguf, isBitEqual: true);
        await ConvertAsync(gguf, second);
        AssertSameFiles(folder, second);
        const string Prompt = "What is the capital of France?";
        string wanted = await SayAsync(source, Prompt);
        foreach (string made in (string[])[folder, exact, gguf])
            Assert.That(await SayAsync(made, Prompt), Is.EqualTo(wanted), made);
        using GgufFile file = GgufFile.Open(gguf);
        Assert.That(file.Metadata.Text("tokenizer.ggml.pre"), Is.EqualTo("smollm"),
            "the lists that other programs read say the tokenizer too");
        Directory.Delete(scratch, recursive: true);
    }

    [TestCase("llama")]
    [TestCase("mistral")]
    [TestCase("qwen2")]
    [TestCase("qwen3")]
    public async Task Every_family_keeps_its_configuration(string family)
    {
        string scratch = TestFiles.Scratch();
        string folder = Path.Combine(scratch, "in"), gguf = Path.Combine(scratch, "m.gguf");
        (string Key, string? Json)[] more = family switch
        {
            "mistral" => [("sliding_window", "8")],
            "llama" => [("rope_scaling", """
                {"rope_type":"llama3","factor":8,"low_freq_factor":1,"high_freq_factor":4,
                "original_max_position_embeddings":8192}
                """), ("rope_theta", "500000"), ("max_position_embeddings", "16384")],
            _ => [],
        };
        RandomCheckpoint.Write(folder, TinyModel.Config(family, more), seed: 3);
        await ConvertAsync(folder, gguf);
        string back = Path.Combine(scratch, "back");
        await ConvertAsync(gguf, back);
        AssertSameTensors(folder, gguf, isBitEqual: true);
        AssertSameFiles(folder, back);
        using ICheckpoint wanted = Checkpoint.Open(folder), made = Checkpoint.Open(back);
        Assert.That(ConfigProof.FirstDifference(wanted.Config, made.Config), Is.Null);
    }

    [Test]
    public async Task Nothing_is_written_over_unless_it_is_said_and_no_half_is_left()
    {
        string scratch = TestFiles.Scratch(), gguf = Path.Combine(scratch, "tiny.gguf");
        File.WriteAllText(gguf, "mine");
        (await RunAsync(Tiny, gguf)).AssertRefused("OUT", "--force");
        Assert.That(File.ReadAllText(gguf), Is.EqualTo("mine"));
        await ConvertAsync(Tiny, gguf, "--force");
        string folder = Path.Combine(scratch, "folder");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "thesis.doc"), "mine");
        (await RunAsync(gguf, folder, "--force")).AssertRefused("OUT", "thesis.doc");
        File.Move(Path.Combine(folder, "thesis.doc"), Path.Combine(folder, "old.json"));
        await ConvertAsync(gguf, folder, "--force");
        Assert.That(File.Exists(Path.Combine(folder, "old.json")), Is.False);
        (await RunAsync(Tiny, Path.Combine(scratch, "x"))).AssertRefused("OUT", ".gguf");
        (await RunAsync(gguf, Path.Combine(scratch, "x.gguf"))).AssertRefused("OUT", "folder");
        (await RunAsync(Tiny, "/nowhere/x.gguf")).AssertRefused("OUT", "/nowhere");
        Assert.That(Directory.GetFileSystemEntries(scratch), Has.Length.EqualTo(2));
    }

    [Test]
    public void A_conversion_that_is_ended_leaves_nothing()
    {
        string scratch = TestFiles.Scratch(), gguf = Path.Combine(scratch, "tiny.gguf");
        using CancellationTokenSource ending = new();
        using ICheckpoint source = Checkpoint.Open(Tiny);
        Conversion conversion = new(source, inMemory: null, dtype: null)
        {
            Progress = (done, all) =>
            {
                if (done > all / 2)
                    ending.Cancel();
            },
        };
        Assert.Throws<OperationCanceledException>(() => conversion.Run(gguf, ending.Token));
        Assert.That(Directory.GetFileSystemEntries(scratch), Is.Empty);
    }

    [Test]
    public async Task A_reward_model_has_no_gguf()
    {
        string scratch = TestFiles.Scratch(), folder = Path.Combine(scratch, "reward");
        string config = TinyModel.Config("llama", ("architectures", "[\"LlamaForSequenceClassification\"]"),
            ("num_labels", "1"));
        RandomCheckpoint.Write(folder, config, seed: 3);
        (await RunAsync(folder, Path.Combine(scratch, "r.gguf"))).AssertRefused("reward");
        Assert.That(Directory.GetFileSystemEntries(scratch), Has.Length.EqualTo(1));
    }

    [Test]
    public async Task Info_says_what_is_served_and_what_is_not()
    {
        JsonElement own = PdEngineRun.Json((await PdEngineRun.HereAsync("model", "info", "--json")).Out);
        Assert.That(own.GetProperty("path").GetString(), Is.EqualTo(DefaultModel.Name));
        Assert.That(own.GetProperty("family").GetString(), Is.EqualTo("llama"));
        Assert.That(own.GetProperty("kv_bytes_per_token").GetInt32(), Is.EqualTo(2 * 3 * 2 * 32 * 2));
        Assert.That(own.GetProperty("tokenizer").GetProperty("has_chat_template").GetBoolean(), Is.True);
        long groups = own.GetProperty("groups").EnumerateArray()
            .Sum(row => row.GetProperty("bytes").GetInt64());
        Assert.That(groups, Is.EqualTo(own.GetProperty("bytes").GetInt64()));

        string folder = TestFiles.Scratch();
        TinyModel.Folder(folder, TinyModel.Config());
        PdEngineRun plain = await PdEngineRun.HereAsync("model", "info", folder);
        Assert.That(plain.ExitCode, Is.Zero, plain.Error);
        Assert.That(plain.Out, Does.Contain("not served").And.Contain("there is no tokenizer"));
        string config = Path.Combine(folder, "config.json");
        File.WriteAllText(config, File.ReadAllText(config).Replace("\"llama\"", "\"mamba\""));
        PdEngineRun unknown = await PdEngineRun.HereAsync("model", "info", folder, "--json");
        Assert.That(unknown.ExitCode, Is.EqualTo(1));
        JsonElement facts = PdEngineRun.Json(unknown.Out);
        Assert.That(facts.GetProperty("can_run").GetBoolean(), Is.False);
        Assert.That(facts.GetProperty("tensors").GetInt32(), Is.GreaterThan(3));
        Assert.That(facts.GetProperty("service").GetRawText(), Does.Contain("mamba"));
        string cut = Path.Combine(folder, "cut.gguf");
        Assert.That((await RunAsync(DefaultModel.Name, cut)).ExitCode, Is.Zero);
        byte[] whole = File.ReadAllBytes(cut);
        foreach (int bytes in (int[])[whole.Length / 2, 1000, 4, 0])
        {
            File.WriteAllBytes(cut, whole[..bytes]);
            (await PdEngineRun.HereAsync("model", "info", cut)).AssertRefused("cut.gguf");
        }
        (await PdEngineRun.HereAsync("model", "info", "/nowhere/at/all")).AssertRefused("/nowhere/at/all");
    }

    private static Task<PdEngineRun> RunAsync(string from, string to, params string[] more) =>
        PdEngineRun.HereAsync(["model", "convert", from, to, .. more]);

    private static async Task<JsonElement> ConvertAsync(string from, string to, params string[] more)
    {
        PdEngineRun run = await RunAsync(from, to, ["--json", .. more]);
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        return PdEngineRun.Json(run.Out);
    }

    private static async Task<string> SayAsync(string model, string prompt)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(
            "generate", prompt, "--model", model, "--temperature", "0", "--max-new-tokens", "16",
            "--ignore-eos", "--json", "--max-total-tokens", "2048");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        JsonElement answer = PdEngineRun.Json(run.Out);
        return answer.GetProperty("output_ids").GetRawText() + answer.GetProperty("text").GetString();
    }

    private static void AssertSameTensors(string left, string right, bool isBitEqual)
    {
        using ICheckpoint wanted = Checkpoint.Open(left), made = Checkpoint.Open(right);
        foreach (TensorShape tensor in ModelTensors.Of(wanted.Config))
        {
            float[] first = new float[TensorShape.Count(tensor.Shape)], second = new float[first.Length];
            wanted.Read(tensor.Name, 0, first);
            made.Read(tensor.Name, 0, second);
            Assert.That(first.AsSpan().SequenceEqual(second), Is.EqualTo(isBitEqual), tensor.Name);
        }
    }

    /// <summary>Every tensor has the same dtype and the same bytes, wherever in the file.</summary>
    private static void AssertSameFiles(string left, string right)
    {
        AssertSameTensors(left, right, isBitEqual: true);
        Assert.That(
            Rows(right), Is.EqualTo(Rows(left)));
    }

    private static IEnumerable<(string, string, long)> Rows(string folder) => TensorRow.Read(folder, null)
        .OrderBy(row => row.Name).Select(row => (row.Name, row.Dtype, row.Bytes));
}
