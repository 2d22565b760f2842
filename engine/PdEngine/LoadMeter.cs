namespace PdEngine;

/// <summary>Adds up the loading of several sets of weights for the caller, and ends it where asked.</summary>
internal sealed class LoadMeter(
    IProgress<LoadProgress>? caller, IReadOnlyList<OpenedModel> models, WeightShelf shelf,
    CancellationToken cancellation)
    : IProgress<long>
{
    private readonly long _totalBytes = models.DistinctBy(model => model.Weights).Sum(shelf.LoadBytes);
    private long _doneBytes;
    private long _currentBytes;

    public void Report(long value)
    {
        cancellation.ThrowIfCancellationRequested();
        _currentBytes = value;
        caller?.Report(new LoadProgress((_doneBytes + value) / sizeof(float), _totalBytes / sizeof(float)));
    }

    /// <summary>The next report counts from 0 again.</summary>
    public void NextPart()
    {
        _doneBytes += _currentBytes;
        _currentBytes = 0;
    }
}
