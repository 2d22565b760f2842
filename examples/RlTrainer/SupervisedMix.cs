namespace PdEngine.Examples;

/// <summary>Batches to imitate: games of noisy players, sums, greetings; a function of the seed.</summary>
/// <param name="seed">Of everything drawn.</param>
/// <param name="options">How much of what a batch holds.</param>
internal sealed class SupervisedMix(int seed, SupervisedOptions options)
{
    private readonly Random _random = new(seed);
    private readonly Arithmetic _arithmetic = new();

    public List<TrainingSequence> Next()
    {
        List<TrainingSequence> batch = [];
        for (int game = 0; game < options.GamesPerStep; game++)
            batch.Add(NoisyGame());
        for (int sum = 0; sum < options.SumsPerStep; sum++)
            batch.Add(Sum());
        for (int greeting = 0; greeting < options.GreetingsPerStep; greeting++)
            batch.Add(Greeting(Greetings.All[_random.Next(Greetings.All.Count)]));
        return batch;
    }

    /// <summary>
    /// A game by someone who guesses anywhere inside the bounds, and one time in ten anywhere at all.
    /// </summary>
    private TrainingSequence NoisyGame()
    {
        Transcript transcript = new();
        int target = _random.Next(GuessingGame.Numbers);
        IEpisode game = GuessingGame.StartAt(target);
        transcript.Observe(game.Prompt);
        (int low, int high) = (0, GuessingGame.Numbers - 1);
        while (true)
        {
            int guess = _random.Next(10) == 0
                ? _random.Next(GuessingGame.Numbers)
                : _random.Next(low, high + 1);
            int[] answer = Vocabulary.Answer(guess.ToString());
            transcript.Answer(answer);
            TurnOutcome outcome = game.Respond(answer);
            if (outcome.IsDone)
                return transcript.ToSequence();
            transcript.Observe(outcome.Observation);
            if (guess < target)
                low = Math.Max(low, guess + 1);
            else
                high = Math.Min(high, guess - 1);
        }
    }

    private TrainingSequence Sum()
    {
        IEpisode sum = _arithmetic.Start(_random.Next());
        Transcript transcript = new();
        transcript.Observe(sum.Prompt);
        transcript.Answer(Arithmetic.Solve(sum));
        return transcript.ToSequence();
    }

    private static TrainingSequence Greeting((string Message, string Answer) greeting)
    {
        Transcript transcript = new();
        transcript.Observe(Vocabulary.Ask(greeting.Message));
        transcript.Answer(Vocabulary.Answer(greeting.Answer));
        return transcript.ToSequence();
    }
}

/// <summary>Supervised pre-training.</summary>
/// <param name="Steps">Updates.</param>
/// <param name="GamesPerStep">Games in a batch.</param>
/// <param name="SumsPerStep">Sums in a batch.</param>
/// <param name="GreetingsPerStep">Greetings in a batch.</param>
/// <param name="LearningRate">The largest; it falls to a twentieth by a cosine.</param>
/// <param name="Seed">Of the first weights and of all batches.</param>
internal sealed record SupervisedOptions(
    int Steps = 1500, int GamesPerStep = 64, int SumsPerStep = 128, int GreetingsPerStep = 6,
    double LearningRate = 2e-3, int Seed = 1)
{
    /// <exception cref="OptionsException">Nothing can be trained by these.</exception>
    public void Check()
    {
        FlagRange.Check("--steps", Steps, 1, int.MaxValue);
        FlagRange.CheckPositive(nameof(LearningRate), LearningRate, 1);
    }
}
