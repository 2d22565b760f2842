using PdEngine.Examples;

namespace PdEngine.Host;

/// <summary>The episodes of an environment as prompts and turns of a rollout.</summary>
/// <param name="environment">What is played.</param>
/// <param name="seed">Of the tasks.</param>
internal sealed class RolloutGames(IEnvironment environment, ulong seed)
{
    /// <summary>As many tasks as asked for, each a function of the seed and its number.</summary>
    public IEnumerable<RolloutPrompt> Tasks(int count)
    {
        for (int task = 0; task < count; task++)
        {
            int taskSeed = (int)(SeedHash.Of(seed, (ulong)task, 0) & int.MaxValue);
            int[] prompt = [.. environment.Start(taskSeed).Prompt];
            yield return new RolloutPrompt { InputIds = prompt, Label = taskSeed };
        }
    }

    /// <summary>Answers a turn; the episode is the sample's own.</summary>
    public ValueTask<RolloutTurn> AnswerAsync(RolloutSample sample, CancellationToken cancellation)
    {
        if (sample.State is not IEpisode episode)
            sample.State = episode = environment.Start((int)sample.Prompt.Label!);
        TurnOutcome outcome = episode.Respond(sample.TurnTokens);
        return ValueTask.FromResult(outcome.IsDone
            ? RolloutTurn.End(outcome.ExactReward)
            : RolloutTurn.Continue(outcome.Observation));
    }

    /// <summary>Whether its task was done.</summary>
    public static bool Succeeded(RolloutSample sample) => sample.State is IEpisode { Succeeded: true };

    /// <summary>Refuses a model that reads and writes other tokens than the games do.</summary>
    /// <exception cref="OptionsException">It does.</exception>
    public static void ThrowIfOtherTokens(Tokenizer? tokenizer)
    {
        const string Probe = "guess 0123456789+-=";
        int[] ids = tokenizer?.Encode($"<|user|>{Probe}<|end|><|assistant|>") ?? [];
        if (!ids.AsSpan().SequenceEqual(Vocabulary.Ask(Probe)))
        {
            throw new OptionsException("--model", "its tokens are not those of the games; leave it out, or "
                + "give a checkpoint that examples/RlTrainer made of models/pd-tiny");
        }
    }
}
