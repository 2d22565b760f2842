using PdEngine.Host;

namespace PdEngine.Tests;

/// <summary>The model inside the command, and checkpoints in memory.</summary>
public sealed class DefaultModelTests
{
    [TestCase("Hello", "Hello! Give me a sum, or play guess with me.")]
    [TestCase("12+7=", "19")]
    public async Task It_answers_where_no_model_is_named_and_from_anywhere(string prompt, string answer)
    {
        PdEngineRun run = await PdEngineRun.HereAsync(
            "generate", prompt, "--temperature", "0", "--max-total-tokens", "4096");
        Assert.That(run.ExitCode, Is.Zero, run.Error);
        Assert.That(run.Out, Is.EqualTo($"{answer}\n"));
        Assert.That(run.Error, Does.Contain("no --model: embedded:pd-tiny"));
    }

    [Test]
    public async Task Score_and_a_plan_take_it_too()
    {
        PdEngineRun scored = await PdEngineRun.HereAsync("score", "12+7=19", "--max-total-tokens", "4096");
        Assert.That(scored.ExitCode, Is.Zero, scored.Error);
        PdEngineRun planned = await PdEngineRun.HereAsync("generate", "Hello", "--temperature", "0",
            "--max-total-tokens", "4096", "--prefill-num-servers", "1", "--rollout-num-gpus", "2");
        Assert.That(planned.Out, Does.StartWith("Hello! "), planned.Error);
    }

    [Test]
    public void It_is_the_folder_of_the_repository()
    {
        string folder = Path.Combine(TestFiles.Root, "models", "pd-tiny");
        MemoryFolder embedded = DefaultModel.Open();
        foreach (string file in Directory.GetFiles(folder).Where(file => !file.EndsWith(".md")))
        {
            Assert.That(embedded.Read(Path.GetFileName(file)).ToArray(),
                Is.EqualTo(File.ReadAllBytes(file)), file);
        }
    }

    [Test]
    public void A_folder_in_memory_that_lacks_a_file_is_refused_by_name()
    {
        Dictionary<string, ReadOnlyMemory<byte>> files = new() { ["config.json"] = TinyConfig() };
        MemoryFolder folder = new("embedded:half", files);
        Assert.That(() => Checkpoint.Open("embedded:half", [folder]),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("embedded:half")
                .And.Message.Contains("model.safetensors"));
        files["model.safetensors"] = new byte[] { 1, 2, 3 };
        Assert.That(() => Checkpoint.Open("embedded:half", [folder]),
            Throws.TypeOf<CheckpointException>().With.Message.Contains("embedded:half/model.safetensors"));
        Assert.That(() => Checkpoint.Open("embedded:other", [folder]), Throws.TypeOf<CheckpointException>());
    }

    [Test]
    public async Task Its_weights_are_read_again_after_their_memory_was_on_loan()
    {
        await using Engine engine = await Engine.StartAsync(new EngineOptions
        {
            ModelPath = DefaultModel.Name, MemoryFolders = [DefaultModel.Open()], MaxTotalTokens = 4096,
        });
        EngineModel model = engine.Models[0];
        int[] prompt = engine.Tokenizer!.Encode("<|user|>17+25=<|end|><|assistant|>");
        GenerateRequest request = new() { InputIds = prompt, Sampling = new() { Temperature = 0 } };
        Assert.That((await model.GenerateAsync(request)).Text, Is.EqualTo("42"));
        await model.ReleaseMemoryAsync(LoanedMemory.All);
        await model.ResumeMemoryAsync();
        Assert.That((await model.GenerateAsync(request)).Text, Is.EqualTo("42"));
    }

    private static ReadOnlyMemory<byte> TinyConfig() => DefaultModel.Open().Read("config.json");
}
