namespace PdEngine.Host;

/// <summary>
/// What a pull does to a folder, of which another revision may have been pulled before: afterwards all of
/// its files are of one.
/// </summary>
internal sealed class PullPlan
{
    private readonly PullFolder _folder;
    private readonly PullRecord? _last;

    private PullPlan(PullFolder folder, PullRecord? last) => (_folder, _last) = (folder, last);

    /// <summary>Files that have to come.</summary>
    public List<HubFile> Missing { get; } = [];

    /// <summary>Files of the revision before, as they came, that this one has not.</summary>
    public List<HubFile> Gone { get; } = [];

    /// <summary>The revision before; null where there is none, or it is the same.</summary>
    public string? LastCommit { get; private init; }

    /// <param name="folder">Where to.</param>
    /// <param name="repo">Whose files.</param>
    /// <param name="listing">The revision.</param>
    /// <param name="chosen">Its files that are asked for.</param>
    /// <param name="replaces">Whatever lies in their places may go.</param>
    /// <param name="cancellation">Ends reading what is there.</param>
    /// <exception cref="OptionsException">
    /// Something would be replaced that did not come by a pull, or files of two revisions would lie together.
    /// </exception>
    public static async Task<PullPlan> MakeAsync(
        PullFolder folder, string repo, HubListing listing, IReadOnlyList<HubFile> chosen, bool replaces,
        CancellationToken cancellation)
    {
        PullRecord? last = PullRecord.Read(folder.Path) is { } record && record.Repo == repo ? record : null;
        PullPlan plan = new(folder, last)
        {
            LastCommit = last is not null && last.Listing.Commit != listing.Commit
                ? last.Listing.Commit : null,
        };
        List<string> taken = [];
        foreach (HubFile file in chosen)
        {
            if (await plan.HasAsync(file, cancellation).ConfigureAwait(false))
                continue;
            plan.Missing.Add(file);
            if (folder.IsTaken(file) && !await plan.IsAsItCameAsync(file, cancellation).ConfigureAwait(false))
                taken.Add(file.Name);
        }
        if (!replaces && taken.Count > 0)
            throw Refusal(folder, taken, "with another content than the hub's; --force replaces it, --to "
                + "takes another folder");
        if (plan.LastCommit is not { } before)
            return plan;
        List<string> left = await plan.LeaveAsync(listing, chosen, cancellation).ConfigureAwait(false);
        if (!replaces && left.Count > 0)
        {
            throw Refusal(folder, left, $"of commit {before[..12]}, and not among what is to be "
                + $"fetched of {listing.Commit[..12]}; fetch it too, or take another folder (--to)");
        }
        return plan;
    }

    /// <summary>What the folder has once it is done.</summary>
    public PullRecord RecordOf(string repo, HubListing listing, IReadOnlyList<HubFile> chosen)
    {
        IEnumerable<HubFile> kept = _last?.Listing.Files ?? [];
        return new(repo, new(listing.Commit, [.. chosen, .. kept.Where(
            file => listing.Files.Contains(file) && !chosen.Contains(file))]));
    }

    /// <summary>
    /// Finds files of the revision before that are not asked for: those that this one has with another
    /// content are answered, those that it has not are gone.
    /// </summary>
    private async Task<List<string>> LeaveAsync(
        HubListing listing, IReadOnlyList<HubFile> chosen, CancellationToken cancellation)
    {
        List<string> left = [];
        foreach (HubFile file in _last!.Listing.Files.Where(
            file => chosen.All(other => other.Name != file.Name) && _folder.IsTaken(file)))
        {
            HubFile? now = listing.Files.FirstOrDefault(other => other.Name == file.Name);
            if (now is not null && !await HasAsync(now, cancellation).ConfigureAwait(false))
                left.Add(file.Name);
            else if (now is null && await IsAsItCameAsync(file, cancellation).ConfigureAwait(false))
                Gone.Add(file);
        }
        return left;
    }

    /// <summary>Of two revisions an equal size says nothing.</summary>
    private async Task<bool> HasAsync(HubFile file, CancellationToken cancellation) =>
        (file.HasHash || LastCommit is null)
            && await _folder.HasAsync(file, cancellation).ConfigureAwait(false);

    private async Task<bool> IsAsItCameAsync(HubFile file, CancellationToken cancellation) =>
        _last?.Listing.Files.FirstOrDefault(other => other.Name == file.Name) is { HasHash: true } came
            && await _folder.HasAsync(came, cancellation).ConfigureAwait(false);

    private static OptionsException Refusal(PullFolder folder, List<string> names, string why)
    {
        string more = names.Count == 1 ? "" : $" (and {names.Count - 1} more)";
        return new("--to", $"'{Shown.Line(names[0])}'{more} is in '{folder.Path}' already, {why}");
    }
}
