using System.Text.Json;
using PdEngine.Examples;

namespace PdEngine.Tests;

/// <summary>The checkpoint that comes with the repository.</summary>
public sealed class PdTinyTests
{
    private static string Folder => Path.Combine(TestFiles.Root, "models", "pd-tiny");

    [Test]
    public void It_is_as_small_as_it_is_said_to_be()
    {
        using ICheckpoint checkpoint = Checkpoint.Open(Folder);
        ModelConfig config = checkpoint.Config;
        Assert.That(new ParameterLayout(config).Count, Is.LessThanOrEqualTo(1_000_000));
        long bytes = Directory.GetFiles(Folder).Sum(file => new FileInfo(file).Length);
        Assert.That(bytes, Is.LessThanOrEqualTo(2_000_000));
        Assert.That(config.VocabularySize, Is.EqualTo(Vocabulary.Count).And.LessThanOrEqualTo(512));
        Assert.That(
            (config.HiddenSize, config.HeadCount, config.KvHeadCount, config.HeadDim),
            Is.EqualTo((128, 4, 2, 32)));
    }

    [Test]
    public void Its_files_are_those_that_the_trainer_writes()
    {
        string written = TestFiles.Scratch();
        ModelFolder.WriteTiny(written);
        foreach (string file in Directory.GetFiles(written))
        {
            string own = Path.Combine(Folder, Path.GetFileName(file));
            Assert.That(File.ReadAllText(own), Is.EqualTo(File.ReadAllText(file)), own);
        }
    }

    [Test]
    public async Task It_plays_like_the_noisy_players_and_leaves_room()
    {
        await using Engine engine = await Engine.StartAsync(GrpoRig.Options(Folder));
        GuessingGame game = new();
        Skill greedy = await Skill.EvaluateAsync(engine.Models[0], game);
        Skill sampled = await Skill.MeasureAsync(engine.Models[0], game, 256, temperature: 1, seed: 3);
        Assert.That(greedy.Reward, Is.InRange(0.5, 0.66));
        Assert.That(sampled.Reward, Is.InRange(0.36, 0.55));
    }

    [Test]
    public async Task It_greets_in_the_engine()
    {
        await using Engine engine = await Engine.StartAsync(new EngineOptions
        {
            ModelPath = Folder, ThreadCount = 2, MaxTotalTokens = 4096,
        });
        foreach ((string message, string answer) in Greetings.All)
        {
            string chat = JsonSerializer.Serialize(new[] { new { role = "user", content = message } });
            using JsonDocument messages = JsonDocument.Parse(chat);
            Generation said = await engine.GenerateAsync(new GenerateRequest
            {
                Messages = messages.RootElement,
                Sampling = new SamplingParams { Temperature = 0, MaxNewTokens = 80 },
            });
            Assert.That(said.Text, Is.EqualTo(answer));
            Assert.That(said.FinishReason, Is.EqualTo(FinishReason.Stop));
        }
    }
}
