using System.Text.Json;
using PdEngine.Examples;

namespace PdEngine.Tests;

public sealed class EnvironmentTests
{
    [Test]
    public void Binary_search_needs_the_optimum_of_turns()
    {
        (double turns, double reward) = (0, 0);
        for (int target = 0; target < GuessingGame.Numbers; target++)
        {
            IEpisode game = new GuessingGame().Start(target);
            (int low, int high) = (0, GuessingGame.Numbers - 1);
            TurnOutcome outcome;
            do
            {
                int guess = (low + high) / 2;
                outcome = game.Respond(Vocabulary.Answer(guess.ToString()));
                (low, high) = guess < target ? (guess + 1, high) : (low, guess - 1);
            }
            while (!outcome.IsDone);
            Assert.That(game.Succeeded);
            (turns, reward) = (turns + game.Turns, reward + outcome.Reward);
        }
        Assert.That(turns / GuessingGame.Numbers, Is.EqualTo(4.22).Within(0.005));
        Assert.That(reward / GuessingGame.Numbers, Is.EqualTo(0.678).Within(0.0005));
    }

    [Test]
    public void A_wrong_guess_is_answered_and_ten_of_them_lose()
    {
        IEpisode game = GuessingGame.StartAt(20);
        for (int turn = 1; turn < GuessingGame.MaxTurns; turn++)
        {
            TurnOutcome outcome = game.Respond(Vocabulary.Answer(turn % 2 == 0 ? "31" : "3"));
            Assert.That(outcome.IsDone, Is.False);
            Assert.That(outcome.Observation, Is.EqualTo(Vocabulary.Ask(turn % 2 == 0 ? "lower" : "higher")));
        }
        Assert.That(game.Respond(Vocabulary.Answer("19")), Is.EqualTo(TurnOutcome.Done(0)));
        Assert.That(game.Succeeded, Is.False);
    }

    [TestCase("32"), TestCase("x"), TestCase(""), TestCase("1 2"), TestCase("00005")]
    public void What_is_no_guess_loses_at_once(string answer)
    {
        IEpisode game = GuessingGame.StartAt(5);
        Assert.That(game.Respond(Vocabulary.Answer(answer)), Is.EqualTo(TurnOutcome.Done(0)));
    }

    [Test]
    public void An_answer_without_an_end_is_no_number() =>
        Assert.That(Vocabulary.Number(Vocabulary.Answer("12").AsSpan(0, 2)), Is.Null);

    [Test]
    public void Sums_reward_the_right_answer_alone()
    {
        for (int seed = 0; seed < 50; seed++)
        {
            IEpisode right = new Arithmetic().Start(seed);
            IEpisode wrong = new Arithmetic().Start(seed);
            Assert.That(right.Prompt, Is.EqualTo(wrong.Prompt));
            Assert.That(right.Respond(Arithmetic.Solve(right)).Reward, Is.EqualTo(1));
            Assert.That(wrong.Respond(Vocabulary.Answer("999")).Reward, Is.Zero);
        }
    }

    [Test]
    public void The_tokenizer_file_makes_the_tokens_of_the_environments()
    {
        Tokenizer tokenizer = TinyTokenizer();
        string[] texts = ["guess", "higher", "lower, 31?", "12+7=", "Hello!\nguess ~ 0", "höher"];
        foreach (string text in texts)
        {
            int[] ids = tokenizer.Encode(text);
            Assert.That(ids, Is.EqualTo(Vocabulary.Encode(text)), text);
            if (!text.Contains('ö', StringComparison.Ordinal))
                Assert.That(tokenizer.Decode(ids), Is.EqualTo(text));
        }
        Assert.That(tokenizer.VocabularySize, Is.EqualTo(Vocabulary.Count).And.LessThanOrEqualTo(512));
        Assert.That(tokenizer.EosTokenId, Is.EqualTo(Vocabulary.End));
    }

    [Test]
    public void The_chat_template_makes_the_prompts_of_the_environments()
    {
        ChatTemplate template = ChatTemplate.Parse(Vocabulary.ChatTemplate, "test");
        using JsonDocument messages = JsonDocument.Parse("""[{"role": "user", "content": "guess"}]""");
        string text = template.Render(messages.RootElement);
        Assert.That(TinyTokenizer().Encode(text), Is.EqualTo(Vocabulary.Ask("guess")));
    }

    private static Tokenizer TinyTokenizer()
    {
        using MemoryStream tokenizer = new();
        using MemoryStream config = new();
        Vocabulary.WriteTokenizer(tokenizer);
        Vocabulary.WriteTokenizerConfig(config);
        return Tokenizer.Parse(tokenizer.ToArray(), config.ToArray(), "tiny");
    }
}
