namespace PdEngine.Examples;

/// <summary>What a model can do, measured by play in the engine.</summary>
/// <param name="Reward">Mean.</param>
/// <param name="Success">Share of episodes done.</param>
/// <param name="Turns">Mean.</param>
internal readonly record struct Skill(double Reward, double Success, double Turns)
{
    // Far from the tasks of training.
    private const int FirstTask = 1_000_000_000;
    private const int ConcurrentEpisodes = 512;

    /// <summary>Means over played episodes.</summary>
    public static Skill Of(IReadOnlyList<RolloutSample> samples) => new(
        samples.Average(sample => sample.Reward ?? 0),
        samples.Average(sample => PlayedEpisode.Of(sample).Episode.Succeeded ? 1.0 : 0.0),
        samples.Average(sample => PlayedEpisode.Of(sample).Episode.Turns));

    /// <summary>Plays fresh episodes of an environment.</summary>
    public static Task<Skill> MeasureAsync(
        EngineModel model, IEnvironment environment, int episodeCount, float temperature, ulong seed = 7) =>
        PlayAsync(
            model, Enumerable.Range(FirstTask, episodeCount).Select<int, Func<IEpisode>>(
                task => () => environment.Start(task)),
            temperature, seed);

    /// <summary>Greedy play: every number of the game once, else a few tasks.</summary>
    public static Task<Skill> EvaluateAsync(EngineModel model, IEnvironment environment) => MeasureAsync(
        model, environment, environment is GuessingGame ? GuessingGame.Numbers : 64, temperature: 0);

    /// <summary>Share of the greetings that are answered by heart, greedily.</summary>
    public static async Task<double> RecitedAsync(EngineModel model)
    {
        Skill skill = await PlayAsync(
            model, Greetings.All.Select<(string Message, string Answer), Func<IEpisode>>(
                pair => () => new Recital(pair.Message, pair.Answer)),
            temperature: 0, seed: 0);
        return skill.Success;
    }

    private static async Task<Skill> PlayAsync(
        EngineModel model, IEnumerable<Func<IEpisode>> episodes, float temperature, ulong seed)
    {
        using RolloutSession session = new(model, GamePlayer.OptionsFor(temperature) with
        {
            Seed = seed, FirstRolloutId = FirstTask, MaxConcurrentSamples = ConcurrentEpisodes,
        });
        RolloutGroup[] groups = await Task.WhenAll(
            episodes.Select(start => session.RunGroupAsync(EpisodeRollout.PromptOf(start))));
        return Of([.. groups.Select(group => group.Samples[0])]);
    }

    private sealed class Recital(string message, string answer) : IEpisode
    {
        public IReadOnlyList<int> Prompt { get; } = Vocabulary.Ask(message);

        public int Turns { get; private set; }

        public bool Succeeded { get; private set; }

        public TurnOutcome Respond(ReadOnlySpan<int> response)
        {
            Turns++;
            Succeeded = response.SequenceEqual(Vocabulary.Answer(answer));
            return TurnOutcome.Done(Succeeded ? 1 : 0);
        }
    }
}
