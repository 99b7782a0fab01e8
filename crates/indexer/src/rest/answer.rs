//! Answers, and refusals in one shape.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::IndexError;

/// JSON, or why not.
pub(super) type Answer<T> = Result<Json<T>, Refusal>;

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A parameter is bad.
    Parameter { name: String, message: String },
    /// Nothing is there.
    NotFound(String),
    /// Only reading is possible.
    Method,
    /// The index failed.
    Index(IndexError),
}

impl From<IndexError> for Refusal {
    fn from(error: IndexError) -> Self {
        Self::Index(error)
    }
}

/// What went wrong.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ErrorBody {
    /// See there.
    error: Problem,
}

/// What went wrong, in words.
#[derive(Debug, Serialize, ToSchema)]
struct Problem {
    /// The parameter at fault, if one is.
    parameter: Option<String>,
    /// What is wrong and what to do.
    message: String,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, parameter, message) = match self {
            Self::Parameter { name, message } => (StatusCode::BAD_REQUEST, Some(name), message),
            Self::NotFound(message) => (StatusCode::NOT_FOUND, None, message),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, None, "the record can only be read: use GET".to_owned()),
            Self::Index(error) => {
                tracing::error!(%error, "the price record failed to answer");
                // Its words may name files and hosts of the operator.
                let message = "the index failed; its operator finds why in the log, try again later";
                (StatusCode::INTERNAL_SERVER_ERROR, None, message.to_owned())
            }
        };
        (status, Json(ErrorBody { error: Problem { parameter, message } })).into_response()
    }
}
