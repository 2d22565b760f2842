namespace PdEngine;

/// <summary>
/// Takes one sample turn by turn to its end, or goes on with one that was aborted. Tokens go into the sample
/// as they are made, so that an abort loses nothing.
/// </summary>
internal sealed class SampleRun(EngineModel model, RolloutOptions options, RolloutSample sample)
{
    /// <summary>How long a turn waits before it asks again for a place in a full queue.</summary>
    private static readonly TimeSpan QueueFullPause = TimeSpan.FromMilliseconds(5);

    private readonly Lock _gate = new();
    private TokenStream? _stream;
    private bool _aborts;

    /// <summary>Ends the turn in progress, or the sample before its next one.</summary>
    public void Abort()
    {
        TokenStream? running;
        lock (_gate)
        {
            _aborts = true;
            running = _stream;
        }
        running?.Abort();
    }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        bool continues = sample.Status == RolloutStatus.Aborted && sample.Turns.Count > 0;
        if (continues && sample.FinishReason is FinishReason.Stop or FinishReason.Length)
        {
            // The turn had ended, and the environment was aborted before it answered.
            continues = false;
            if (await EndsAsync(cancellationToken).ConfigureAwait(false))
                return;
        }
        while (true)
        {
            if (RoomTokens <= 0 || (!continues && sample.Turns.Count >= options.MaxTurns))
            {
                sample.Status = RolloutStatus.Truncated;
                break;
            }
            if (!continues)
                sample.BeginTurn();
            continues = false;
            Generation? turn = await RunTurnAsync().ConfigureAwait(false);
            if (turn is null || turn.FinishReason == FinishReason.Abort)
            {
                sample.Status = RolloutStatus.Aborted;
                break;
            }
            if (turn.FinishReason == FinishReason.Error)
            {
                sample.Status = RolloutStatus.Failed;
                break;
            }
            if (await EndsAsync(cancellationToken).ConfigureAwait(false))
                break;
        }
        sample.Validate();
    }

    private int RoomTokens
    {
        get
        {
            int context = model.ContextTokens - sample.Tokens.Count;
            return options.MaxResponseTokens is { } most
                ? Math.Min(context, most - sample.ResponseLength)
                : context;
        }
    }

    /// <returns>Null where it was aborted before it began.</returns>
    private async Task<Generation?> RunTurnAsync()
    {
        int start = sample.Turns[^1].Start.Value, before = sample.Tokens.Count, made = before - start;
        int room = Math.Min(options.Sampling.MaxNewTokens - made, RoomTokens);
        GenerateRequest request = new()
        {
            InputIds = sample.Tokens.ToArray(),
            PromptLength = start,
            Sampling = options.Sampling with
            {
                MaxNewTokens = room,
                MinNewTokens = Math.Min(options.Sampling.MinNewTokens, room + made),
                SamplingSeed = sample.Seed ?? options.Sampling.SamplingSeed,
            },
            ReturnLogProb = true,
            SessionId = sample.SessionId,
        };
        if (await OpenAsync(request).ConfigureAwait(false) is not { } stream)
            return null;
        await foreach (TokenChunk chunk in stream.ConfigureAwait(false))
            sample.AddDrawn([.. chunk.TokenIds], [.. chunk.LogProbs]);
        Generation turn = await stream.Completion.ConfigureAwait(false);
        lock (_gate)
            _stream = null;
        sample.EndTurn(turn, before);
        options.TurnEnded?.Invoke(sample, turn);
        return turn;
    }

    /// <summary>Submits a turn, waiting for room where a queue is full; null where it was aborted.</summary>
    private async Task<TokenStream?> OpenAsync(GenerateRequest request)
    {
        while (true)
        {
            lock (_gate)
            {
                if (_aborts)
                    return null;
                try
                {
                    return _stream = model.Stream(request);
                }
                catch (CapacityException full) when (full.CanRetry)
                {
                }
            }
            await Task.Delay(QueueFullPause).ConfigureAwait(false);
        }
    }

    /// <summary>Asks the environment, and takes up what it answers.</summary>
    private async ValueTask<bool> EndsAsync(CancellationToken cancellationToken)
    {
        bool isCut = sample.FinishReason == FinishReason.Length;
        sample.Status = isCut ? RolloutStatus.Truncated : RolloutStatus.Completed;
        if (options.Environment is not { } environment)
            return true;
        RolloutTurn answer;
        try
        {
            answer = await environment(sample, cancellationToken).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            sample.Status = RolloutStatus.Aborted;
            return true;
        }
        catch (Exception cause)
        {
            // A tool that breaks takes its sample, and nothing of the others.
            sample.Fail(new RolloutException($"the environment failed: {cause.Message}", cause));
            return true;
        }
        sample.Reward = answer.Reward ?? sample.Reward;
        if (answer.Observation is not { } observation || isCut)
            return true;
        if (FaultOf(observation) is { } fault)
        {
            sample.Fail(new RolloutException(fault));
            return true;
        }
        if (observation.Count >= RoomTokens)
        {
            sample.Status = RolloutStatus.Truncated;
            return true;
        }
        sample.Status = RolloutStatus.Pending;
        sample.AddObservation(observation);
        return false;
    }

    private string? FaultOf(IReadOnlyList<int> observation)
    {
        if (observation.Count == 0)
            return "an environment that goes on must give at least one token";
        for (int i = 0; i < observation.Count; i++)
        {
            if ((uint)observation[i] >= (uint)model.VocabularySize)
            {
                return $"token {i} of the environment's answer is {observation[i]}; ids are from 0 to "
                    + $"{model.VocabularySize - 1}";
            }
        }
        return null;
    }
}
