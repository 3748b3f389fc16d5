-- What a provider calls a payment or refund of ours, for providers that cannot be asked by our id.
-- Written before money can move: no row means that nothing was ever asked of the provider. A row
-- without `theirs` says that nothing will be: whoever looked it up in vain closed it.
CREATE TABLE provider_references (
    provider   text        NOT NULL,
    ours       uuid        NOT NULL,
    theirs     text,
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT provider_references_one_per_id PRIMARY KEY (provider, ours)
);
